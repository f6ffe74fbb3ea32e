UPDATE deliveries d SET state = 'cancelled', ended_at = $3, why = $4
FROM unnest($2::uuid[]) AS u (id)
WHERE d.account_id = $1 AND d.id = u.id AND d.state = 'pending'
