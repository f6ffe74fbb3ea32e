SELECT e.id FROM unnest($1::uuid[], $2::uuid[]) AS u (account_id, id)
JOIN events e ON e.account_id = u.account_id AND e.id = u.id
