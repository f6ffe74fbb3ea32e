INSERT INTO notices (account_id, id, version, request_id, message_id, body)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::text[])
