-- A delivery that has ended meanwhile keeps its state, and gets its attempt.
UPDATE deliveries SET attempts = 1,
    state = iif(state = 'pending', ?3, state), due_at = iif(state = 'pending', ?4, due_at),
    ended_at = iif(state = 'pending', ?5, ended_at), why = iif(state = 'pending', ?6, why),
    held = iif(state = 'pending' AND ?3 = 'pending', held, 0),
    first_id = ?7, first_at = ?8, first_took_ms = ?9, first_url = ?10, first_body_digest = ?11, first_remote = ?12,
    first_outcome = ?13
WHERE account_id = ?1 AND id = ?2 AND attempts = 0
