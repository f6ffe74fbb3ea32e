-- The first one beyond so many.
SELECT id FROM events WHERE account_id = ?1 AND id > ?2 AND id < ?3 ORDER BY id LIMIT 1 OFFSET ?4
