DELETE FROM events e USING unnest($2::uuid[]) AS u (id)
WHERE e.account_id = $1 AND e.id = u.id AND e.id < $3 AND e.request_id IS NULL
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.account_id = $1 AND d.event_id = u.id)
