UPDATE queue q SET due_at = u.due_at, node_id = NULL
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS u (account_id, delivery_id, due_at)
WHERE q.account_id = u.account_id AND q.delivery_id = u.delivery_id AND (q.node_id IS NULL OR q.node_id = ANY ($4))
