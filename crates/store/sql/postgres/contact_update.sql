UPDATE contacts SET version = version + 1, body = $3 WHERE account_id = $1 AND id = $2 AND version = $4
