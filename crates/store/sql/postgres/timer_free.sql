UPDATE timers SET node_id = NULL WHERE node_id = $1
