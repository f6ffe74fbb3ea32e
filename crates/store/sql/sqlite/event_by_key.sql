SELECT id FROM events WHERE account_id = ?1 AND key = ?2
