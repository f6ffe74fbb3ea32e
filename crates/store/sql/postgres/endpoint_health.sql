UPDATE endpoints e SET failing_since = u.failing_since, failures = u.failures, warnings = u.warnings
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::int[])
    AS u (account_id, id, failing_since, failures, warnings)
WHERE e.account_id = u.account_id AND e.id = u.id
