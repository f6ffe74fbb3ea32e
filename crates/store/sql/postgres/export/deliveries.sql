-- Those that are held go in the order of their ids elsewhere, and in that of their turns here. Ids of several nodes may
-- have another order than the turns; then the held ones of a key, which nobody was told yet, exchange their ids.
WITH held AS (
    SELECT q.account_id, q.delivery_id, q.endpoint_id, q.order_key,
           row_number() OVER (PARTITION BY q.endpoint_id, q.order_key ORDER BY q.turn) AS by_turn,
           row_number() OVER (PARTITION BY q.endpoint_id, q.order_key ORDER BY q.delivery_id) AS by_id
    FROM queue q WHERE q.held
), told AS (
    SELECT one.account_id, one.delivery_id, other.delivery_id AS id FROM held one
    JOIN held other ON other.endpoint_id = one.endpoint_id AND other.order_key = one.order_key
                   AND other.by_id = one.by_turn
    WHERE one.by_id <> one.by_turn
)
SELECT d.account_id, coalesce(t.id, d.id) AS id, d.event_id, d.endpoint_id, d.cause, d.cause_id, d.state, q.due_at,
       d.ended_at, d.why, d.attempts::bigint, d.created_at, q.order_key, coalesce(q.held, false) AS held
FROM deliveries d
LEFT JOIN queue q ON q.account_id = d.account_id AND q.delivery_id = d.id AND d.state = 'pending'
LEFT JOIN told t ON t.account_id = d.account_id AND t.delivery_id = d.id
ORDER BY d.account_id, coalesce(t.id, d.id)
