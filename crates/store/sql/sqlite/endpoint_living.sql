SELECT body, sealed, version, failing_since, failures, warnings FROM endpoints
WHERE account_id = ?1 AND status <> 'deleted' ORDER BY id
