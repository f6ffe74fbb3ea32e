-- Endpoints are found one by one, each by the index, however much each has to be told.
WITH RECURSIVE of AS (
    (SELECT q.endpoint_id, q.account_id FROM queue q WHERE q.node_id IS NULL AND NOT q.held
     ORDER BY q.endpoint_id, q.due_at LIMIT 1)
    UNION ALL
    SELECT next.endpoint_id, next.account_id FROM of CROSS JOIN LATERAL (
        SELECT q.endpoint_id, q.account_id FROM queue q
        WHERE q.endpoint_id > of.endpoint_id AND q.node_id IS NULL AND NOT q.held
        ORDER BY q.endpoint_id, q.due_at LIMIT 1
    ) next
)
SELECT endpoint_id, account_id FROM of
