INSERT INTO replies (account_id, key, fingerprint, status, sealed, expires_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
