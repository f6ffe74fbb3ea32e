UPDATE nodes SET is_dead = true WHERE node_id = $1 AND NOT is_dead
