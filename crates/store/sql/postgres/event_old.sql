-- Held before anybody looks for their deliveries, so that none is made meanwhile. What others hold is left for later.
SELECT e.id FROM events e
WHERE e.account_id = $1 AND e.id > $2 AND e.id < $3 AND (e.request_id IS NULL OR octet_length(e.data) > 0)
ORDER BY e.id FOR UPDATE SKIP LOCKED
