SELECT id, name, at, request_id, order_key, key, test, data, link_seq, link_hash FROM events
WHERE account_id = ?1 AND id = ?2
