UPDATE writers SET batch = $3, events = events + $4 WHERE node_id = $1 AND writer = $2
