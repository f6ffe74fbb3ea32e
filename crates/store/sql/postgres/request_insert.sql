INSERT INTO requests (account_id, id, version, status, archived, body) VALUES ($1, $2, 1, $3, $4, $5)
ON CONFLICT DO NOTHING
