DELETE FROM writers WHERE node_id = $1 RETURNING events
