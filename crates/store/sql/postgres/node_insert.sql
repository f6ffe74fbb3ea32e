INSERT INTO nodes (node_id, beat, sees, started_at, seen_at, name) VALUES ($1, 0, 0, 0, 0, $2)
