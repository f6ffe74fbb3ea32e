INSERT INTO deliveries (account_id, id, event_id, endpoint_id, cause_id, created_at, attempts, cause, state)
SELECT u.account_id, u.id, u.event_id, u.endpoint_id, u.cause_id, u.created_at, 0, u.cause, 'pending'
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[])
    AS u (account_id, id, event_id, endpoint_id, cause_id, created_at, cause)
