SELECT id, name, at, request_id, order_key, key, test, data, link_seq, link_hash FROM events
WHERE account_id = ?1 AND request_id = ?2 AND id < ?3 AND (?4 IS NULL OR name IN (SELECT value FROM json_each(?4)))
ORDER BY id DESC LIMIT ?5
