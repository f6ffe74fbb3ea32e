SELECT u.endpoint_id,
       (SELECT q.account_id FROM queue q WHERE q.endpoint_id = u.endpoint_id AND q.node_id IS NULL AND NOT q.held
        ORDER BY q.due_at LIMIT 1)
FROM unnest($1::uuid[]) AS u (endpoint_id)
