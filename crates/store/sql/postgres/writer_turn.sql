-- Fails by a division when the row is gone: others have declared the node dead. Or when the batch was given up: its answer
-- was lost, and whoever looked for it found nothing.
WITH turned AS (
    UPDATE writers SET batch = $3, events = events + $4 WHERE node_id = $1 AND writer = $2 AND batch < $3
    RETURNING 1
)
SELECT 1 / count(*) FROM turned
