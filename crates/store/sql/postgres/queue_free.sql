UPDATE queue q SET held = false
FROM unnest($1::uuid[], $2::uuid[]) AS u (account_id, delivery_id)
WHERE q.account_id = u.account_id AND q.delivery_id = u.delivery_id AND q.held
