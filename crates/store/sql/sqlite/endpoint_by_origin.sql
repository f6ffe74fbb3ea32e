SELECT body, sealed, version, failing_since, failures, warnings FROM endpoints
WHERE account_id = ?1 AND dialect = ?2 AND url = ?3 AND scope = 'callback' AND status <> 'deleted'
