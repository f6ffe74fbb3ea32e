-- As in `queue_take`: found by key, and not by what is due.
SELECT q.account_id, q.delivery_id, q.endpoint_id, q.due_at, q.bytes, q.cause
FROM unnest($1::uuid[], $2::uuid[]) AS u (account_id, delivery_id)
JOIN queue q ON q.account_id = u.account_id AND q.delivery_id = u.delivery_id
WHERE num_nulls(q.node_id) = 1 AND NOT q.held AND q.due_at <= $3
FOR UPDATE OF q SKIP LOCKED
