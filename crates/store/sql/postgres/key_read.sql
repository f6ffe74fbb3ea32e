SELECT body FROM keys WHERE account_id = $1 AND id = $2
