UPDATE deliveries SET state = ?3, due_at = ?4, ended_at = ?5, why = ?6, attempts = ?7, held = iif(?3 = 'pending', held, 0)
WHERE account_id = ?1 AND id = ?2 AND state = 'pending' AND attempts = ?7 - 1
