INSERT INTO replays (account_id, id, endpoint_id, body)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[])
