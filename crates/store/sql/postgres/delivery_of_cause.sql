SELECT id FROM deliveries
WHERE account_id = $1 AND event_id = $2 AND endpoint_id = $3 AND cause = 'notice' AND cause_id = $4
