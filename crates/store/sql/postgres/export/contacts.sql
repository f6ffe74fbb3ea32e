SELECT account_id, id, version, body
FROM contacts ORDER BY account_id, id
