SELECT account_id, id, version, request_id, message_id, body
FROM notices ORDER BY account_id, id
