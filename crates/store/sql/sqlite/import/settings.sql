INSERT INTO settings (account_id, kind, name, version, body, sealed)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
