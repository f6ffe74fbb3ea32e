SELECT d.id, d.state = 'pending', d.attempts, q.endpoint_id, q.order_key
FROM unnest($1::uuid[], $2::uuid[]) AS u (account_id, id)
JOIN deliveries d ON d.account_id = u.account_id AND d.id = u.id
LEFT JOIN queue q ON q.account_id = d.account_id AND q.delivery_id = d.id
