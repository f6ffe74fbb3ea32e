SELECT account_id, request_id, seq, what, id, delivery_id, number::bigint, at, digest, hash
FROM timeline ORDER BY account_id, request_id, seq
