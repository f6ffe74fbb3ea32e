SELECT body, version FROM notices WHERE account_id = $1 AND id = $2
