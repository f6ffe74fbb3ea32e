SELECT 1 FROM endpoints WHERE account_id = ?1 AND id = ?2 AND status = 'enabled'
