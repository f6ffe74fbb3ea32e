SELECT 1 FROM deliveries
WHERE endpoint_id = ?1 AND held = 0 AND order_key = ?2 AND state = 'pending' LIMIT 1
