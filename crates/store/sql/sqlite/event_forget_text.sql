UPDATE events INDEXED BY events_by_id SET data = ''
WHERE account_id = ?1 AND id > ?2 AND id < ?3 AND octet_length(data) > 0
  AND NOT EXISTS (SELECT 1 FROM deliveries d INDEXED BY deliveries_by_event
                  WHERE d.account_id = ?1 AND d.event_id = events.id AND d.state = 'pending')
  AND NOT EXISTS (SELECT 1 FROM requests r
                  WHERE r.account_id = ?1 AND r.id = events.request_id AND r.status IN ('draft', 'sent')
                    AND r.deleted_at IS NULL)
