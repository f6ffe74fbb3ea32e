SELECT d.account_id, d.id, d.event_id, d.endpoint_id, d.cause, d.cause_id, d.state, d.due_at, d.ended_at, d.why,
       d.attempts, d.created_at,
       e.id, e.name, e.at, e.request_id, e.order_key, e.key, e.test, e.data, e.link_seq, e.link_hash
FROM deliveries d JOIN events e ON e.account_id = d.account_id AND e.id = d.event_id
WHERE d.account_id = ?1 AND d.id = ?2 AND d.state = 'pending' AND d.held = 0
