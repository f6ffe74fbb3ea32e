DELETE FROM timers WHERE account_id = $1 AND kind = $2 AND subject = $3
