UPDATE requests SET version = version + 1, status = $3, archived = $4, body = $5
WHERE account_id = $1 AND id = $2 AND version = $6 AND deleted_at IS NULL
