SELECT account_id, id, name, at, request_id, order_key, key, test, data, link_seq, link_hash
FROM events ORDER BY seq
