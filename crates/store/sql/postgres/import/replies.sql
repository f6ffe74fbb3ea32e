INSERT INTO replies (account_id, key, fingerprint, status, sealed, expires_at)
SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bytea[], $6::bigint[])
