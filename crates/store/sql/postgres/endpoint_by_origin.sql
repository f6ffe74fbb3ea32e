SELECT e.body, e.sealed, e.version, e.failing_since, e.failures, e.warnings FROM endpoints e
WHERE e.account_id = $1 AND e.dialect = $2 AND e.url = $3 AND e.scope = 'callback' AND e.status <> 'deleted'
