UPDATE deliveries SET state = ?3, due_at = ?4, ended_at = ?5, why = ?6, held = iif(?3 = 'pending', held, 0),
    attempts = 1, first_id = ?7, first_at = ?8, first_took_ms = ?9, first_url = ?10, first_body_digest = ?11,
    first_remote = ?12, first_outcome = ?13
WHERE account_id = ?1 AND id = ?2 AND state = 'pending' AND attempts = 0
