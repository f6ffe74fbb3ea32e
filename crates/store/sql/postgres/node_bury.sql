-- Only one that has not moved since it was looked at.
UPDATE nodes SET is_dead = true WHERE node_id = $1 AND beat = $2 AND NOT is_dead
