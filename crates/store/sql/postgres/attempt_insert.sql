INSERT INTO attempts (account_id, delivery_id, id, at, number, took_ms, body_digest, url, remote, outcome)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::int[], $6::bigint[], $7::bytea[], $8::text[],
                     $9::text[], $10::text[])
