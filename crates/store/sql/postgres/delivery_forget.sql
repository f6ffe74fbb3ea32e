-- Deliveries that have ended, with all that belongs to them. What another node is forgetting is left to it.
WITH old AS MATERIALIZED (
    SELECT d.account_id, d.id FROM deliveries d
    WHERE d.account_id = $1 AND d.id > $2 AND d.id < $3 AND d.ended_at < $4
    ORDER BY d.id FOR UPDATE SKIP LOCKED
), tried AS (
    DELETE FROM attempts a USING old o WHERE a.account_id = o.account_id AND a.delivery_id = o.id RETURNING 1
), gone AS (
    DELETE FROM deliveries d USING old o WHERE d.account_id = o.account_id AND d.id = o.id
    RETURNING d.account_id, d.endpoint_id, d.id, d.state, d.cause, d.cause_id
), told AS (
    DELETE FROM notices n USING gone g WHERE g.cause = 'notice' AND n.account_id = g.account_id AND n.id = g.cause_id
), failed AS (
    DELETE FROM failures f USING gone g
    WHERE f.account_id = g.account_id AND f.endpoint_id = g.endpoint_id AND f.state = g.state AND f.delivery_id = g.id
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM tried)
