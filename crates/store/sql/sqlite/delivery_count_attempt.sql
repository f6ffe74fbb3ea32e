UPDATE deliveries SET attempts = ?3 WHERE account_id = ?1 AND id = ?2 AND attempts = ?3 - 1
