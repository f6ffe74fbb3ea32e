UPDATE deliveries d SET attempts = u.attempts
FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[]) AS u (account_id, id, attempts, before)
WHERE d.account_id = u.account_id AND d.id = u.id AND d.attempts = u.before AND d.state <> 'pending'
