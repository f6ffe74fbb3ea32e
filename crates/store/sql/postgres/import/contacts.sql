INSERT INTO contacts (account_id, id, version, body)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[])
