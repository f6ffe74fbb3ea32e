SELECT account_id, delivery_id, due_at, bytes FROM queue
WHERE endpoint_id = $1 AND due_at <= $2 AND node_id IS NULL AND NOT held
  AND (due_at, delivery_id) > ($4, $5)
ORDER BY due_at, delivery_id LIMIT $3 FOR UPDATE SKIP LOCKED
