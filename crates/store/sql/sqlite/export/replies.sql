SELECT account_id, key, fingerprint, status, sealed, expires_at
FROM replies ORDER BY account_id, key
