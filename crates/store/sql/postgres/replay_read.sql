SELECT body FROM replays WHERE account_id = $1 AND id = $2
