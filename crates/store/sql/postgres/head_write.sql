UPDATE heads h SET seq = u.seq, hash = u.hash
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bytea[]) AS u (account_id, request_id, seq, hash)
WHERE h.account_id = u.account_id AND h.request_id = u.request_id
