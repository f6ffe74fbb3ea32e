SELECT id, name, at, request_id, order_key, key, test, '' AS data, link_seq, link_hash, octet_length(data) = 0
FROM events
WHERE account_id = ?1 AND id > ?2 AND id < ?3 AND test = 0 ORDER BY id LIMIT ?4
