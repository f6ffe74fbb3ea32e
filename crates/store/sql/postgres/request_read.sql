SELECT body, version FROM requests WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL
