SELECT d.account_id, d.id, d.event_id, d.endpoint_id, d.cause, d.cause_id, d.state, q.due_at, d.ended_at, d.why,
       d.attempts, d.created_at
FROM deliveries d LEFT JOIN queue q ON q.account_id = d.account_id AND q.delivery_id = d.id
WHERE d.account_id = $1 AND d.event_id = $2 AND d.endpoint_id = $3 AND d.cause_id <> $4
ORDER BY d.id DESC LIMIT 1
