SELECT e.account_id, e.key, e.id FROM unnest($1::uuid[], $2::bytea[]) AS u (account_id, key)
JOIN events e ON e.account_id = u.account_id AND e.key = u.key
