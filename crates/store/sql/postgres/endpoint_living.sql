SELECT e.body, e.sealed, e.version, e.failing_since, e.failures, e.warnings FROM endpoints e WHERE e.account_id = $1 AND e.status <> 'deleted' ORDER BY e.id
