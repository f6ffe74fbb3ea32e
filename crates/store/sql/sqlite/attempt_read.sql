SELECT first_id, 1, first_at, first_took_ms, first_url, first_body_digest, first_remote, first_outcome FROM deliveries
WHERE account_id = ?1 AND id = ?2 AND ?3 = 1 AND first_id IS NOT NULL
UNION ALL
SELECT id, number, at, took_ms, url, body_digest, remote, outcome FROM attempts
WHERE account_id = ?1 AND delivery_id = ?2 AND number = ?3
