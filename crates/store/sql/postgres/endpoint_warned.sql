UPDATE endpoints SET warnings = $4
WHERE account_id = $1 AND id = $2 AND failing_since = $3 AND warnings < $4
