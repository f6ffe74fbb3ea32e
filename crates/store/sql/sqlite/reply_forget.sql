DELETE FROM replies WHERE (account_id, key) IN
    (SELECT account_id, key FROM replies WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)
