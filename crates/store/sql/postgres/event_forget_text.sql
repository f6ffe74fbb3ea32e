UPDATE events e SET data = '' FROM unnest($2::uuid[]) AS u (id)
WHERE e.account_id = $1 AND e.id = u.id AND octet_length(e.data) > 0
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.account_id = $1 AND d.event_id = u.id AND d.state = 'pending')
  AND NOT EXISTS (SELECT 1 FROM requests r WHERE r.account_id = $1 AND r.id = e.request_id
                    AND r.status IN ('draft', 'sent') AND r.deleted_at IS NULL)
