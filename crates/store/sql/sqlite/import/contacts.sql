INSERT INTO contacts (account_id, id, version, body)
VALUES (?1, ?2, ?3, ?4)
