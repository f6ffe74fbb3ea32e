INSERT INTO timeline (account_id, request_id, seq, what, id, delivery_id, number, at, digest, hash)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
