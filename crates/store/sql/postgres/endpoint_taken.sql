SELECT id FROM endpoints
WHERE account_id = $1 AND url = $2 AND scope = 'registered' AND status <> 'deleted' AND id <> $3
