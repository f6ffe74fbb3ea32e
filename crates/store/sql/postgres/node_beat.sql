UPDATE nodes SET beat = beat + 1, sees = $2, seen_at = $3,
    started_at = CASE WHEN started_at = 0 THEN $3 ELSE started_at END
WHERE node_id = $1 AND NOT is_dead
