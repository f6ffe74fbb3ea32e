SELECT account_id, key, fingerprint, status::bigint, sealed, expires_at
FROM replies ORDER BY account_id, key
