SELECT endpoint_id, account_id FROM deliveries
WHERE state = 'pending' AND held = 0 AND endpoint_id > ?1 ORDER BY endpoint_id, due_at, id LIMIT 1
