SELECT max((SELECT max(d.id) FROM deliveries d WHERE d.account_id = a.account_id)) FROM accounts a
