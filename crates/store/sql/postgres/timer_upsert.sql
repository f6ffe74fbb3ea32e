INSERT INTO timers (account_id, kind, subject, due_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[])
ON CONFLICT (account_id, kind, subject) DO UPDATE SET due_at = excluded.due_at, node_id = NULL
