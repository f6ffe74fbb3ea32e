INSERT INTO notices (account_id, id, version, request_id, message_id, body) VALUES (?1, ?2, 1, ?3, ?4, ?5)
ON CONFLICT DO NOTHING
