SELECT min(due_at) FROM deliveries WHERE endpoint_id = ?1 AND state = 'pending' AND due_at <= ?2
