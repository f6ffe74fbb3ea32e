SELECT account_id, id AS delivery_id, 1 AS number, first_id AS id, first_at AS at, first_took_ms AS took_ms,
       first_url AS url, first_body_digest AS body_digest, first_remote AS remote, first_outcome AS outcome
FROM deliveries WHERE first_id IS NOT NULL
UNION ALL
SELECT account_id, delivery_id, number, id, at, took_ms, url, body_digest, remote, outcome FROM attempts
ORDER BY account_id, delivery_id, number
