-- What waits is found endpoint by endpoint, by the index. What is leased is not in it, since every delivery would pay
-- for that; it is bounded, and looked for in the whole table. What others have leased is theirs to be late with.
WITH RECURSIVE waiting AS (
    (SELECT q.endpoint_id, q.account_id, q.due_at FROM queue q WHERE q.node_id IS NULL AND NOT q.held
     ORDER BY q.endpoint_id, q.due_at LIMIT 1)
    UNION ALL
    SELECT next.endpoint_id, next.account_id, next.due_at FROM waiting CROSS JOIN LATERAL (
        SELECT q.endpoint_id, q.account_id, q.due_at FROM queue q
        WHERE q.endpoint_id > waiting.endpoint_id AND q.node_id IS NULL AND NOT q.held
        ORDER BY q.endpoint_id, q.due_at LIMIT 1
    ) next
), late AS (
    SELECT endpoint_id, account_id, due_at FROM waiting
    UNION ALL
    SELECT endpoint_id, account_id, min(due_at) FROM queue WHERE node_id = ANY ($2) GROUP BY endpoint_id, account_id
)
SELECT l.endpoint_id, min(l.due_at)
FROM late l JOIN endpoints e ON e.account_id = l.account_id AND e.id = l.endpoint_id
WHERE e.status = 'enabled' AND l.due_at <= $1 GROUP BY l.endpoint_id ORDER BY l.endpoint_id
