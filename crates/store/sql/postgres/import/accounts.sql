INSERT INTO accounts (account_id, name, sealed, created_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bigint[])
