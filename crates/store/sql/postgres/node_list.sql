SELECT node_id, beat, sees, is_dead FROM nodes ORDER BY node_id
