-- Accounts are found one by one, each by the index, and of each the last event, delivery and place in the log.
WITH RECURSIVE of AS (
    (SELECT e.account_id FROM events e ORDER BY e.account_id LIMIT 1)
    UNION ALL
    SELECT (SELECT e.account_id FROM events e WHERE e.account_id > of.account_id ORDER BY e.account_id LIMIT 1)
    FROM of WHERE of.account_id IS NOT NULL
)
SELECT (SELECT e.id FROM events e WHERE e.account_id = of.account_id ORDER BY e.id DESC LIMIT 1),
       (SELECT d.id FROM deliveries d WHERE d.account_id = of.account_id ORDER BY d.id DESC LIMIT 1),
       (SELECT e.seq FROM events e WHERE e.account_id = of.account_id ORDER BY e.seq DESC LIMIT 1)
FROM of WHERE of.account_id IS NOT NULL
