DELETE FROM events INDEXED BY events_by_id WHERE account_id = ?1 AND id > ?2 AND id < ?3 AND request_id IS NULL
  AND NOT EXISTS (SELECT 1 FROM deliveries d INDEXED BY deliveries_by_event
                  WHERE d.account_id = ?1 AND d.event_id = events.id)
