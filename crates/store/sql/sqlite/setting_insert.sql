INSERT INTO settings (account_id, kind, name, version, body, sealed) VALUES (?1, ?2, ?3, 1, ?4, ?5)
ON CONFLICT DO NOTHING
