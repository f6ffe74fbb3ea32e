SELECT id FROM deliveries
WHERE endpoint_id = ?1 AND state = 'pending' AND held = 0 AND cause NOT IN ('test', 'probe') ORDER BY due_at, id
