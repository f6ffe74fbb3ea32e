-- The first one beyond so many.
SELECT d.id FROM deliveries d WHERE d.account_id = $1 AND d.id > $2 AND d.id < $3 ORDER BY d.id OFFSET $4 LIMIT 1
