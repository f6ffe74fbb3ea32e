INSERT INTO attempts (account_id, delivery_id, number, id, at, took_ms, url, body_digest, remote, outcome)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
