INSERT INTO failures (account_id, endpoint_id, delivery_id, state)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[])
ON CONFLICT DO NOTHING
