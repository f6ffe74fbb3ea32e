SELECT d.account_id, d.id, d.event_id, d.endpoint_id, d.cause, d.cause_id, d.state, d.due_at, d.ended_at, d.why,
       d.attempts, d.created_at, e.name
FROM deliveries d INDEXED BY deliveries_by_event JOIN events e ON e.account_id = d.account_id AND e.id = d.event_id
WHERE d.account_id = ?1 AND d.event_id = ?6 AND d.id < ?2
  AND (?3 IS NULL OR d.endpoint_id = ?3) AND (?4 IS NULL OR d.state = ?4)
ORDER BY d.id DESC LIMIT ?5
