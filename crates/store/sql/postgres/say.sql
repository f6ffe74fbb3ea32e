-- Events into the log, and a delivery, with its place in the queue, for each endpoint that hears of one.
WITH said AS (
    INSERT INTO events (account_id, id, request_id, seq, at, link_seq, test, name, order_key, key, link_hash, data)
    SELECT u.account_id, u.id, u.request_id, $12 + (SELECT pg_current_xact_id()::text::bigint << 20) + u.place, u.at,
           u.link_seq, u.test, u.name, u.order_key, u.key, u.link_hash, u.data
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::boolean[], $7::text[], $8::bytea[],
                $9::bytea[], $10::bytea[], $11::text[], $13::bigint[])
        AS u (account_id, id, request_id, at, link_seq, test, name, order_key, key, link_hash, data, place)
), made AS MATERIALIZED (
    SELECT * FROM unnest($14::uuid[], $15::uuid[], $16::uuid[], $17::uuid[], $18::uuid[], $19::bigint[], $20::text[],
                         $21::uuid[], $22::bigint[], $23::int[], $24::boolean[], $25::bytea[])
        AS u (account_id, id, event_id, endpoint_id, cause_id, created_at, cause, node_id, due_at, bytes, held, order_key)
), delivered AS (
    INSERT INTO deliveries (account_id, id, event_id, endpoint_id, cause_id, created_at, attempts, cause, state)
    SELECT account_id, id, event_id, endpoint_id, cause_id, created_at, 0, cause, 'pending' FROM made
)
INSERT INTO queue (account_id, delivery_id, endpoint_id, node_id, due_at, turn, bytes, held, cause, order_key)
SELECT account_id, id, endpoint_id, node_id, due_at, CASE WHEN order_key IS NOT NULL THEN nextval('turns') END, bytes,
       held, cause, order_key FROM made
