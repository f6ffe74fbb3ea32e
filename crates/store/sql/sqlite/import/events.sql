INSERT INTO events (account_id, id, name, at, request_id, order_key, key, test, data, link_seq, link_hash)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
