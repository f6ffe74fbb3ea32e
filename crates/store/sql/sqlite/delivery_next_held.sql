SELECT id FROM deliveries
WHERE endpoint_id = ?1 AND held = 1 AND order_key = ?2 AND state = 'pending' ORDER BY id LIMIT 1
