-- What is pending goes into the queue, leased by nobody; what went wrong is listed.
WITH u AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::text[],
                         $8::bigint[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[],
                         $13::bytea[], $14::boolean[]) WITH ORDINALITY
        AS u (account_id, id, event_id, endpoint_id, cause, cause_id, state, due_at, ended_at, why, attempts,
              created_at, order_key, held, place)
), written AS (
    INSERT INTO deliveries (account_id, id, event_id, endpoint_id, cause, cause_id, state, ended_at, why, attempts,
                            created_at)
    SELECT account_id, id, event_id, endpoint_id, cause, cause_id, state, ended_at, why, attempts, created_at FROM u
), failed AS (
    INSERT INTO failures (account_id, endpoint_id, delivery_id, state)
    SELECT account_id, endpoint_id, id, state FROM u WHERE state IN ('exhausted', 'cancelled')
)
INSERT INTO queue (account_id, delivery_id, endpoint_id, due_at, turn, bytes, held, cause, order_key)
SELECT account_id, id, endpoint_id, due_at, CASE WHEN order_key IS NOT NULL THEN nextval('turns') END, bytes, held,
       cause, order_key
FROM (
    SELECT u.*, octet_length(e.data) AS bytes FROM u
    LEFT JOIN events e ON e.account_id = u.account_id AND e.id = u.event_id
    WHERE u.state = 'pending' ORDER BY u.place
) pending
