SELECT batch FROM writers WHERE node_id = $1 AND writer = $2 FOR UPDATE
