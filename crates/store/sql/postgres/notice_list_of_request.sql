SELECT body FROM notices WHERE account_id = $1 AND request_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4
