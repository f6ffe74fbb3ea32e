INSERT INTO deliveries (account_id, id, event_id, endpoint_id, cause, cause_id, state, due_at, attempts, created_at,
                        order_key, held)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'pending', ?7, 0, ?8, ?9, ?10)
ON CONFLICT DO NOTHING
