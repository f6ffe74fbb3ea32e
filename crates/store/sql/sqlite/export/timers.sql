SELECT account_id, kind, subject, due_at
FROM timers ORDER BY account_id, kind, subject
