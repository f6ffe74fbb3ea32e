INSERT INTO timers (account_id, kind, subject, due_at)
VALUES (?1, ?2, ?3, ?4)
