SELECT min(due_at) FROM deliveries WHERE endpoint_id = ?1 AND state = 'pending' AND held = 0 AND due_at <= ?2
