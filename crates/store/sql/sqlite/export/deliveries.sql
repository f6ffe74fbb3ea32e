-- The order key of what has ended is nobody's any more.
SELECT account_id, id, event_id, endpoint_id, cause, cause_id, state, due_at, ended_at, why, attempts, created_at,
       CASE WHEN state = 'pending' THEN order_key END AS order_key,
       held
FROM deliveries ORDER BY account_id, id
