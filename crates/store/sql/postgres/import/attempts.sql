INSERT INTO attempts (account_id, delivery_id, number, id, at, took_ms, url, body_digest, remote, outcome)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::bigint[], $6::bigint[], $7::text[],
                     $8::bytea[], $9::text[], $10::text[])
