SELECT id FROM deliveries WHERE endpoint_id = ?1 AND held = 1 ORDER BY id LIMIT ?2
