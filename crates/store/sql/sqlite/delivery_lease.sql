SELECT account_id, id, event_id, endpoint_id, cause, cause_id, state, due_at, ended_at, why, attempts, created_at
FROM deliveries
WHERE account_id = ?1 AND id = ?2 AND state = 'pending' AND held = 0
