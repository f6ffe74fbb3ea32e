-- All that a unit writes of ends and of events, and its writer's turn.
--
-- Ends: attempts ($1 to $10), and what follows from them ($11 to $19): where each delivery stands, and what becomes of its
-- place in the queue. Fails by a division when a delivery does not stand where it was taken to stand: $21 must change, $22
-- must leave the queue and $23 must return to it (where these are given), and no more than $24 of them may have an order.
--
-- Events into the log ($25 to $37), and a delivery, with its place in the queue, for each endpoint that hears of one ($38
-- to $49).
--
-- The turn, where $52 is given: fails by a logarithm when the writer's row is gone, since others have declared the node dead,
-- or when the batch was given up: its answer was lost, and whoever looked for it found nothing. Fails by a root when an
-- account's endpoints are not those of the edition that they were taken for ($54, $55). Wipes what was counted against
-- endpoints that took what they were told ($56, $57).
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
), said AS (
    INSERT INTO events (account_id, id, request_id, seq, at, link_seq, test, name, order_key, key, link_hash, data)
    SELECT u.account_id, u.id, u.request_id, $36 + (SELECT pg_current_xact_id()::text::bigint << 20) + u.place, u.at,
           u.link_seq, u.test, u.name, u.order_key, u.key, u.link_hash, u.data
    FROM unnest($25::uuid[], $26::uuid[], $27::uuid[], $28::bigint[], $29::bigint[], $30::boolean[], $31::text[],
                $32::bytea[], $33::bytea[], $34::bytea[], $35::text[], $37::bigint[])
        AS u (account_id, id, request_id, at, link_seq, test, name, order_key, key, link_hash, data, place)
), made AS MATERIALIZED (
    SELECT * FROM unnest($38::uuid[], $39::uuid[], $40::uuid[], $41::uuid[], $42::uuid[], $43::bigint[], $44::text[],
                         $45::uuid[], $46::bigint[], $47::int[], $48::boolean[], $49::bytea[])
        AS u (account_id, id, event_id, endpoint_id, cause_id, created_at, cause, node_id, due_at, bytes, held, order_key)
), delivered AS (
    INSERT INTO deliveries (account_id, id, event_id, endpoint_id, cause_id, created_at, attempts, cause, state)
    SELECT account_id, id, event_id, endpoint_id, cause_id, created_at, 0, cause, 'pending' FROM made
), queued AS (
    INSERT INTO queue (account_id, delivery_id, endpoint_id, node_id, due_at, turn, bytes, held, cause, order_key)
    SELECT account_id, id, endpoint_id, node_id, due_at, CASE WHEN order_key IS NOT NULL THEN nextval('turns') END, bytes,
           held, cause, order_key FROM made
), wiped AS (
    UPDATE endpoints e SET failing_since = NULL, failures = 0, warnings = 0
    FROM unnest($56::uuid[], $57::uuid[]) AS u (account_id, id)
    WHERE e.account_id = u.account_id AND e.id = u.id AND e.failures > 0
), turned AS (
    UPDATE writers SET batch = $52, events = events + $53 WHERE node_id = $50 AND writer = $51 AND batch < $52
    RETURNING 1
), stale AS (
    SELECT 1 FROM unnest($54::uuid[], $55::bigint[]) AS u (account_id, edition)
    LEFT JOIN editions e ON e.account_id = u.account_id
    WHERE coalesce(e.edition, 0) <> u.edition
)
SELECT 1 / ((SELECT count(*) FROM settled) = $21::bigint
            AND coalesce((SELECT count(*) FROM gone) = $22::bigint, true)
            AND coalesce((SELECT count(*) FROM retried) = $23::bigint, true)
            AND (SELECT count(order_key) FROM gone) <= $24::bigint)::int,
       CASE WHEN $52::bigint IS NOT NULL THEN ln((SELECT count(*) FROM turned)) END,
       sqrt(-(SELECT count(*) FROM stale))
