-- The first one beyond so many.
SELECT e.id FROM events e WHERE e.account_id = $1 AND e.id > $2 AND e.id < $3 ORDER BY e.id OFFSET $4 LIMIT 1
