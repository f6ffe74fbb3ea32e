-- Attempts, and what follows from them: where each delivery stands, and what becomes of its place in the queue. Fails
-- by a division when a delivery does not stand where it was taken to stand: $21 must change, $22 must leave the queue and
-- $23 must return to it (where these are given), and no more than $24 of them may have an order.
WITH ended AS MATERIALIZED (
    SELECT * FROM unnest($11::uuid[], $12::uuid[], $13::uuid[], $14::text[], $15::bigint[], $16::text[], $17::int[],
                         $18::int[], $19::bigint[])
        AS u (account_id, id, endpoint_id, state, ended_at, why, attempts, before, due_at)
), attempted AS (
    INSERT INTO attempts (account_id, delivery_id, id, at, number, took_ms, body_digest, url, remote, outcome)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::int[], $6::bigint[], $7::bytea[],
                         $8::text[], $9::text[], $10::text[])
), settled AS (
    UPDATE deliveries d SET state = u.state, ended_at = u.ended_at, why = u.why, attempts = u.attempts FROM ended u
    WHERE d.account_id = u.account_id AND d.id = u.id AND d.state = 'pending' AND d.attempts = u.before
    RETURNING 1
), gone AS (
    DELETE FROM queue q USING ended u
    WHERE u.state <> 'pending' AND q.account_id = u.account_id AND q.delivery_id = u.id RETURNING q.order_key
), retried AS (
    UPDATE queue q SET due_at = u.due_at, node_id = NULL FROM ended u
    WHERE u.state = 'pending' AND q.account_id = u.account_id AND q.delivery_id = u.id
      AND (q.node_id IS NULL OR q.node_id = ANY ($20::uuid[]))
    RETURNING 1
), failed AS (
    INSERT INTO failures (account_id, endpoint_id, delivery_id, state)
    SELECT account_id, endpoint_id, id, state FROM ended WHERE state IN ('exhausted', 'cancelled')
    ON CONFLICT DO NOTHING
)
SELECT 1 / ((SELECT count(*) FROM settled) = $21::bigint
            AND coalesce((SELECT count(*) FROM gone) = $22::bigint, true)
            AND coalesce((SELECT count(*) FROM retried) = $23::bigint, true)
            AND (SELECT count(order_key) FROM gone) <= $24::bigint)::int
