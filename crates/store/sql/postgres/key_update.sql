UPDATE keys SET body = $3 WHERE account_id = $1 AND id = $2
