DELETE FROM deliveries WHERE account_id = ?1 AND id > ?2 AND id < ?3 AND ended_at < ?4 RETURNING first_id IS NOT NULL
