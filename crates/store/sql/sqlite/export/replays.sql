SELECT account_id, id, endpoint_id, body
FROM replays ORDER BY account_id, id
