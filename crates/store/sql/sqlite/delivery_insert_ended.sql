INSERT INTO deliveries (account_id, id, event_id, endpoint_id, cause, cause_id, state, due_at, ended_at, attempts,
                        created_at, held)
VALUES (?1, ?2, ?3, ?4, 'event', ?5, 'delivered', NULL, ?6, ?7, ?8, 0)
ON CONFLICT DO NOTHING
