-- Whoever has taken the turn is waited for; whoever has not comes too late for it from now on.
WITH stood AS (
    SELECT batch FROM writers WHERE node_id = $1 AND writer = $2 FOR UPDATE
), raised AS (
    UPDATE writers w SET batch = $3 FROM stood WHERE w.node_id = $1 AND w.writer = $2
)
SELECT batch FROM stood
