SELECT a.delivery_id, a.number, a.id
FROM unnest($1::uuid[], $2::uuid[]) AS u (account_id, delivery_id)
JOIN attempts a ON a.account_id = u.account_id AND a.delivery_id = u.delivery_id
