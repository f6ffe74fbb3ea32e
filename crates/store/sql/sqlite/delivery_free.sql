UPDATE deliveries SET held = 0 WHERE account_id = ?1 AND id = ?2
