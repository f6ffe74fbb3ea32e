INSERT INTO contacts (account_id, id, version, body) VALUES ($1, $2, 1, $3) ON CONFLICT DO NOTHING
