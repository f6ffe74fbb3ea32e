SELECT d.account_id, d.id, d.event_id, d.endpoint_id, d.cause, d.cause_id, d.state, q.due_at, d.ended_at, d.why,
       d.attempts, d.created_at, e.name
FROM failures f JOIN deliveries d ON d.account_id = f.account_id AND d.id = f.delivery_id
JOIN events e ON e.account_id = d.account_id AND e.id = d.event_id
LEFT JOIN queue q ON q.account_id = d.account_id AND q.delivery_id = d.id
WHERE f.account_id = $1 AND f.delivery_id < $2 AND f.endpoint_id = $3 AND f.state = $4
ORDER BY f.delivery_id DESC LIMIT $5
