DELETE FROM queue q USING (
    SELECT f.account_id, f.delivery_id FROM queue f
    WHERE f.endpoint_id = $2 AND f.order_key IS NOT NULL AND f.account_id = $1 AND f.held
        AND NOT EXISTS (SELECT FROM endpoints e WHERE e.account_id = $1 AND e.id = $2 AND e.status = 'enabled')
    ORDER BY f.order_key, f.turn DESC LIMIT $3 FOR UPDATE SKIP LOCKED
) u
WHERE q.account_id = u.account_id AND q.delivery_id = u.delivery_id RETURNING q.delivery_id, q.order_key
