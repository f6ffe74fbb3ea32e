SELECT e.account_id, e.edition FROM unnest($1::uuid[]) AS u (account_id)
JOIN editions e ON e.account_id = u.account_id
