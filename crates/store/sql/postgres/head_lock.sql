SELECT h.account_id, h.request_id, h.seq, h.hash
FROM unnest($1::uuid[], $2::uuid[]) AS u (account_id, request_id)
JOIN heads h ON h.account_id = u.account_id AND h.request_id = u.request_id
FOR UPDATE OF h
