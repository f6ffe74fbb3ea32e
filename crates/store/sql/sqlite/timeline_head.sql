SELECT seq, hash FROM timeline WHERE account_id = ?1 AND request_id = ?2 ORDER BY seq DESC LIMIT 1
