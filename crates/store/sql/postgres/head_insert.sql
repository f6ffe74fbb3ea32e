INSERT INTO heads (account_id, request_id, seq, hash)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bytea[])
