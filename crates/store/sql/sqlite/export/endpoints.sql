SELECT account_id, id, version, url, dialect, scope, status, body, sealed, failing_since, failures, warnings
FROM endpoints ORDER BY account_id, id
