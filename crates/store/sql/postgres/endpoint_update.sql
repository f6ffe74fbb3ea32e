UPDATE endpoints
SET version = version + 1, url = $3, dialect = $4, scope = $5, status = $6, body = $7, sealed = $8,
    failing_since = CASE WHEN $6 = 'enabled' AND status <> 'enabled' THEN NULL ELSE failing_since END,
    failures = CASE WHEN $6 = 'enabled' AND status <> 'enabled' THEN 0 ELSE failures END,
    warnings = CASE WHEN $6 = 'enabled' AND status <> 'enabled' THEN 0 ELSE warnings END
WHERE account_id = $1 AND id = $2 AND version = $9
