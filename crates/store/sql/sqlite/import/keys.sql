INSERT INTO keys (account_id, id, hash, body)
VALUES (?1, ?2, ?3, ?4)
