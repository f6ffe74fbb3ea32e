INSERT INTO keys (account_id, id, hash, body)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[])
