INSERT INTO requests (account_id, id, version, status, archived, deleted_at, body)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::boolean[], $6::bigint[], $7::text[])
