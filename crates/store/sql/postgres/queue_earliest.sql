SELECT due_at FROM queue WHERE endpoint_id = $1 AND node_id IS NULL AND NOT held
ORDER BY due_at, delivery_id LIMIT 1
