SELECT body FROM replays WHERE account_id = $1 AND endpoint_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4
