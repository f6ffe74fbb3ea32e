INSERT INTO endpoints (account_id, id, version, url, dialect, scope, status, body, sealed)
VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
