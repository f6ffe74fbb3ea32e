SELECT account_id, delivery_id, number::bigint, id, at, took_ms, url, body_digest, remote, outcome
FROM attempts ORDER BY account_id, delivery_id, number
