-- Fails by a division when the row is gone: others have declared the node dead. Or when the batch was given up: its answer
-- was lost, and whoever looked for it found nothing. Fails by a root when an account's endpoints are not those of the
-- edition that they were taken for ($5, $6). Wipes what was counted against endpoints that took what they were told
-- ($7, $8).
WITH wiped AS (
    UPDATE endpoints e SET failing_since = NULL, failures = 0, warnings = 0
    FROM unnest($7::uuid[], $8::uuid[]) AS u (account_id, id)
    WHERE e.account_id = u.account_id AND e.id = u.id AND e.failures > 0
), turned AS (
    UPDATE writers SET batch = $3, events = events + $4 WHERE node_id = $1 AND writer = $2 AND batch < $3
    RETURNING 1
), stale AS (
    SELECT 1 FROM unnest($5::uuid[], $6::bigint[]) AS u (account_id, edition)
    LEFT JOIN editions e ON e.account_id = u.account_id
    WHERE coalesce(e.edition, 0) <> u.edition
)
SELECT 1 / (SELECT count(*) FROM turned), sqrt(-(SELECT count(*) FROM stale))
