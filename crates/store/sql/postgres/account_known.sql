SELECT 1 FROM accounts WHERE account_id = $1
