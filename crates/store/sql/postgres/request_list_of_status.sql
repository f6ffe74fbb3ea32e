SELECT body FROM requests
WHERE account_id = $1 AND id < $2 AND deleted_at IS NULL AND status = $3 AND ($4::boolean IS NULL OR archived = $4)
ORDER BY id DESC LIMIT $5
