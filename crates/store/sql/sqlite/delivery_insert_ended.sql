INSERT INTO deliveries (account_id, id, event_id, endpoint_id, cause, cause_id, state, due_at, ended_at, attempts,
                        created_at, held, first_id, first_at, first_took_ms, first_url, first_body_digest,
                        first_remote, first_outcome)
VALUES (?1, ?2, ?3, ?4, 'event', ?5, 'delivered', NULL, ?6, 1, ?7, 0, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
ON CONFLICT DO NOTHING
