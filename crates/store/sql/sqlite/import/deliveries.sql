INSERT INTO deliveries (account_id, id, event_id, endpoint_id, cause, cause_id, state, due_at, ended_at, why,
       attempts, created_at, order_key, held)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
