SELECT n.body, n.version FROM accounts a CROSS JOIN notices n ON n.account_id = a.account_id AND n.id = ?1 LIMIT 1
