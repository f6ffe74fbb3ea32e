SELECT due_at FROM timers WHERE node_id IS NULL OR node_id = $1 ORDER BY due_at LIMIT 1
