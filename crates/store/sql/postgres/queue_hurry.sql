UPDATE queue SET due_at = $3 WHERE account_id = $1 AND delivery_id = $2 AND node_id IS NULL
