INSERT INTO timers (account_id, kind, subject, due_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (account_id, kind, subject) DO UPDATE SET due_at = excluded.due_at, node_id = NULL
