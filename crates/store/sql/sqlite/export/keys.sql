SELECT account_id, id, hash, body
FROM keys ORDER BY account_id, id
