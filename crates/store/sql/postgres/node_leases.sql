SELECT n.name, n.started_at, n.seen_at, n.is_dead, (SELECT count(*) FROM queue q WHERE q.node_id = n.node_id)
FROM nodes n ORDER BY n.node_id
