SELECT r.account_id, r.key, r.fingerprint, r.status, r.sealed
FROM unnest($1::uuid[], $2::bytea[], $3::bigint[]) AS u (account_id, key, now)
JOIN replies r ON r.account_id = u.account_id AND r.key = u.key
WHERE r.expires_at > u.now
