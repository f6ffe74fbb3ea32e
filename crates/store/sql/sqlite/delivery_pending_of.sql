SELECT id FROM deliveries WHERE endpoint_id = ?1 AND state = 'pending' AND account_id = ?2 ORDER BY due_at, id LIMIT ?3
