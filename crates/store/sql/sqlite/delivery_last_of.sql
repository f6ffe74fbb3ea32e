SELECT account_id, id, event_id, endpoint_id, cause, cause_id, state, due_at, ended_at, why, attempts, created_at
FROM deliveries
WHERE account_id = ?1 AND id = (
    -- Left to itself, the planner reads the whole account backwards.
    SELECT max(id) FROM deliveries INDEXED BY deliveries_by_event
    WHERE account_id = ?1 AND event_id = ?2 AND endpoint_id = ?3 AND cause_id <> ?4)
