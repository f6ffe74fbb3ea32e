DELETE FROM settings WHERE account_id = $1 AND kind = $2 AND name = $3 AND version = $4
