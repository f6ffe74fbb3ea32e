SELECT account_id FROM deliveries WHERE endpoint_id = ?1 AND state = 'pending' AND held = 0 LIMIT 1
