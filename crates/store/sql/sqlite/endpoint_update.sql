UPDATE endpoints
SET version = version + 1, url = ?3, dialect = ?4, scope = ?5, status = ?6, body = ?7, sealed = ?8,
    failing_since = iif(?6 = 'enabled' AND status <> 'enabled', NULL, failing_since),
    failures = iif(?6 = 'enabled' AND status <> 'enabled', 0, failures),
    warnings = iif(?6 = 'enabled' AND status <> 'enabled', 0, warnings)
WHERE account_id = ?1 AND id = ?2 AND version = ?9
