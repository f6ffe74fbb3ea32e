UPDATE deliveries SET held = 0
WHERE endpoint_id = ?1 AND held = 1 AND state = 'pending' AND order_key IS NOT NULL
