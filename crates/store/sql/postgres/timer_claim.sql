UPDATE timers t SET node_id = $3
FROM (
    SELECT account_id, kind, subject FROM timers
    WHERE due_at <= $1 AND (node_id IS NULL OR node_id = $3)
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
) u
WHERE t.account_id = u.account_id AND t.kind = u.kind AND t.subject = u.subject
RETURNING t.account_id, t.kind, t.subject, t.due_at
