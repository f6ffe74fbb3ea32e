SELECT c.account_id, c.id, c.version FROM unnest($1::uuid[], $2::uuid[]) AS u (account_id, id)
JOIN contacts c ON c.account_id = u.account_id AND c.id = u.id
