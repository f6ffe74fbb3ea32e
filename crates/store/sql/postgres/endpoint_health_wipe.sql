UPDATE endpoints e SET failing_since = NULL, failures = 0, warnings = 0
FROM unnest($1::uuid[], $2::uuid[]) AS u (account_id, id)
WHERE e.account_id = u.account_id AND e.id = u.id AND e.failures > 0
