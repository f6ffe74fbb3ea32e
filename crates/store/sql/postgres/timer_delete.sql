DELETE FROM timers t USING unnest($1::uuid[], $2::text[], $3::uuid[]) AS u (account_id, kind, subject)
WHERE t.account_id = u.account_id AND t.kind = u.kind AND t.subject = u.subject
