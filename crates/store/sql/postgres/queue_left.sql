SELECT 1 FROM queue q
WHERE q.endpoint_id = $1 AND q.node_id IS NULL AND NOT q.held AND q.cause NOT IN ('test', 'probe') LIMIT 1
