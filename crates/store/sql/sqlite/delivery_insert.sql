-- Its values are one line, and it FAILs, as `event_insert` does.
INSERT OR FAIL INTO deliveries (account_id, id, event_id, endpoint_id, cause, cause_id, state, due_at, attempts, created_at,
                                order_key, held)
VALUES (?, ?, ?, ?, ?, ?, 'pending', ?, 0, ?, ?, ?)
ON CONFLICT DO NOTHING
