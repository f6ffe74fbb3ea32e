INSERT INTO timeline (account_id, request_id, id, delivery_id, seq, at, number, what, digest, hash)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::int[], $8::text[],
                     $9::bytea[], $10::bytea[])
