SELECT account_id, name, sealed, created_at
FROM accounts ORDER BY account_id
