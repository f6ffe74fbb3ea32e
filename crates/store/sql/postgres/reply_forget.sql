DELETE FROM replies r USING (
    SELECT account_id, key FROM replies WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
) u WHERE r.account_id = u.account_id AND r.key = u.key AND r.expires_at <= $1
