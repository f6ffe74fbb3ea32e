SELECT body, version FROM contacts WHERE account_id = $1 AND id = $2
