SELECT kind, name, version, body, sealed FROM settings WHERE account_id = $1 AND kind = $2 AND name = $3
