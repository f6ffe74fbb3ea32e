DELETE FROM queue WHERE account_id = $1 AND delivery_id = $2 AND node_id IS NULL RETURNING order_key, held
