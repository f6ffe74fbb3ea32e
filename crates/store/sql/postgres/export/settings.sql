SELECT account_id, kind, name, version, body, sealed
FROM settings ORDER BY account_id, kind, name
