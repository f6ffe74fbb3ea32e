SELECT id, name, at, request_id, order_key, key, test, data, link_seq, link_hash FROM events
WHERE account_id = ?1 AND id < ?2 AND (?3 IS NULL OR name IN (SELECT value FROM json_each(?3)))
ORDER BY id DESC LIMIT ?4
