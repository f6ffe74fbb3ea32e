-- The sum keeps to the key: many timers may stand at one moment.
DELETE FROM timers WHERE account_id = $1 AND kind = $2 AND subject = $3 AND due_at + 0 = $4
