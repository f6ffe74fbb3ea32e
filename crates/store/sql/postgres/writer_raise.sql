-- Whoever has taken the turn is waited for; whoever has not comes too late for it from now on. Asked again, it tells the same:
-- a batch that was committed is one lower than one that was not.
WITH stood AS (
    SELECT batch FROM writers WHERE node_id = $1 AND writer = $2 FOR UPDATE
), raised AS (
    UPDATE writers w
    SET batch = CASE WHEN stood.batch IN ($3::bigint, $3::bigint + 1) THEN $3::bigint + 1 ELSE $3::bigint + 2 END
    FROM stood WHERE w.node_id = $1 AND w.writer = $2 AND w.batch < $3::bigint + 3
)
SELECT batch FROM stood
