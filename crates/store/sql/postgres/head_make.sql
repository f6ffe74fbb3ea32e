INSERT INTO heads (account_id, request_id, seq, hash)
SELECT u.account_id, u.request_id, 0, '' FROM unnest($1::uuid[], $2::uuid[]) AS u (account_id, request_id)
ON CONFLICT DO NOTHING
