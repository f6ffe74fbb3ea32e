-- However long the queue is.
SET LOCAL statement_timeout = 0;

-- What the planner shall know of the log before there is any: that an account has many events. Of a table that it knows
-- nothing about it supposes two hundred accounts; so, while some two hundred events are there, an account's part of the log
-- looks no longer than one row, and one row was looked for there until statistics came. The rows are gone with the end of
-- the transaction that wrote them; what was learnt of them stays until there is something to learn from. They are fewer than
-- what makes the database look at an empty table, and learn from that.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM events) THEN
        INSERT INTO events (account_id, id, seq, at, test, name, data)
        SELECT '00000000-0000-0000-0000-000000000000', lpad(to_hex(number), 32, '0')::uuid, 0, 0, true, '', ''
        FROM generate_series(1, 20) number;
        ANALYZE events (account_id);
        DELETE FROM events WHERE account_id = '00000000-0000-0000-0000-000000000000';
    END IF;
END
$$;

-- Whether one of an order key is free is asked at each end; without it, all that are held behind were gone through.
CREATE INDEX queue_free_in_order ON queue (endpoint_id, order_key) WHERE order_key IS NOT NULL AND NOT held;
