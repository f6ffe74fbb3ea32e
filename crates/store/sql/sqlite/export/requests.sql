SELECT account_id, id, version, status, archived, deleted_at, body
FROM requests ORDER BY account_id, id
