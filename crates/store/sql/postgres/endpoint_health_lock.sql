SELECT e.account_id, e.id, e.failing_since, e.failures, e.warnings
FROM unnest($1::uuid[], $2::uuid[]) AS u (account_id, id)
JOIN endpoints e ON e.account_id = u.account_id AND e.id = u.id
WHERE e.status <> 'deleted'
FOR UPDATE OF e
