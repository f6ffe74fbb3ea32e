SELECT body FROM keys WHERE account_id = $1 ORDER BY id DESC LIMIT 1000
