-- Its values are one line, and it FAILs, as `event_insert` does.
INSERT OR FAIL INTO deliveries (account_id, id, event_id, endpoint_id, cause, cause_id, state, due_at, ended_at, attempts,
                                created_at, held, first_id, first_at, first_took_ms, first_url, first_body_digest,
                                first_remote, first_outcome)
VALUES (?, ?, ?, ?, 'event', ?, 'delivered', NULL, ?, 1, ?, 0, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
