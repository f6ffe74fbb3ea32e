SELECT account_id, kind, subject, due_at FROM timers WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2
