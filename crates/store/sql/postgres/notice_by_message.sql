SELECT body, version FROM notices WHERE account_id = $1 AND message_id = $2
ORDER BY id DESC LIMIT 1
