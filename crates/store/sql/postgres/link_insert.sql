INSERT INTO links (account_id, request_id, signer_id, hash)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[])
ON CONFLICT DO NOTHING
