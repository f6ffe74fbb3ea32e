SELECT body, sealed, version, failing_since, failures, warnings FROM endpoints
WHERE account_id = ?1 AND id < ?2 AND scope = 'registered' AND status <> 'deleted' ORDER BY id DESC LIMIT ?3
