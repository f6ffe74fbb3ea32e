SELECT account_id, id, version, url, dialect, scope, status, body, sealed, failing_since, failures,
       warnings::bigint
FROM endpoints ORDER BY account_id, id
