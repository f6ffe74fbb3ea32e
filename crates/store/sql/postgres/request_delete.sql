UPDATE requests SET version = version + 1, deleted_at = $4
WHERE account_id = $1 AND id = $2 AND version = $3 AND deleted_at IS NULL
