SELECT seq, hash, what, id, delivery_id, number, at, digest FROM timeline
WHERE account_id = $1 AND request_id = $2 AND seq > $3 ORDER BY seq LIMIT $4
