SELECT 1 FROM deliveries
WHERE endpoint_id = ?1 AND order_key = ?2 AND state = 'pending' AND id < ?3 LIMIT 1
