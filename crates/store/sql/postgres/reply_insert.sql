INSERT INTO replies (account_id, key, fingerprint, status, sealed, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (account_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
    sealed = excluded.sealed, expires_at = excluded.expires_at
WHERE replies.expires_at <= $7
