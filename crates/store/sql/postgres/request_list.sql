SELECT body FROM requests
WHERE account_id = $1 AND id < $2 AND deleted_at IS NULL AND ($3::boolean IS NULL OR archived = $3)
ORDER BY id DESC LIMIT $4
