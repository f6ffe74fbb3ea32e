SELECT fingerprint, status, sealed FROM replies WHERE account_id = $1 AND key = $2 AND expires_at > $3
