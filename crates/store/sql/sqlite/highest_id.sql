SELECT max(id) FROM (
    SELECT max(id) AS id FROM (SELECT id FROM events ORDER BY seq DESC LIMIT 1000)
    UNION ALL
    SELECT (SELECT d.id FROM deliveries d WHERE d.account_id = a.account_id ORDER BY d.id DESC LIMIT 1) FROM accounts a
)
