DELETE FROM contacts WHERE account_id = $1 AND id = $2 AND version = $3
