INSERT INTO endpoints (account_id, id, version, url, dialect, scope, status, body, sealed, failing_since, failures,
       warnings)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
