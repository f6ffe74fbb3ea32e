DELETE FROM queue q USING (
    SELECT f.account_id, f.delivery_id FROM queue f
    WHERE f.endpoint_id = $2 AND f.account_id = $1 AND f.node_id IS NULL AND NOT f.held
        AND NOT EXISTS (SELECT FROM endpoints e WHERE e.account_id = $1 AND e.id = $2 AND e.status = 'enabled')
    ORDER BY f.due_at LIMIT $3 FOR UPDATE SKIP LOCKED
) u
WHERE q.account_id = u.account_id AND q.delivery_id = u.delivery_id RETURNING q.delivery_id, q.order_key
