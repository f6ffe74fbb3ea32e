INSERT INTO links (hash, account_id, request_id, signer_id)
SELECT * FROM unnest($1::bytea[], $2::uuid[], $3::uuid[], $4::uuid[])
