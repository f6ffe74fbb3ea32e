SELECT d.account_id, d.id, d.event_id, d.endpoint_id, d.cause, d.cause_id, d.state, q.due_at, d.ended_at, d.why,
       d.attempts, d.created_at, e.name
FROM deliveries d JOIN events e ON e.account_id = d.account_id AND e.id = d.event_id
LEFT JOIN queue q ON q.account_id = d.account_id AND q.delivery_id = d.id
WHERE d.account_id = $1 AND d.id = $2
