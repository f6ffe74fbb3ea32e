SELECT 1 FROM deliveries
WHERE account_id = $1 AND event_id = $2 AND endpoint_id = $3 AND cause = $4 AND cause_id = $5
