SELECT id, number, at, took_ms, url, body_digest, remote, outcome FROM attempts
WHERE account_id = $1 AND delivery_id = $2 AND number = $3
