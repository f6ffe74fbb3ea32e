UPDATE settings SET version = version + 1, body = $4, sealed = $5
WHERE account_id = $1 AND kind = $2 AND name = $3 AND version = $6
