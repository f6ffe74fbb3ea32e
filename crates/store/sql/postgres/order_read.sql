SELECT u.endpoint_id, u.order_key,
       EXISTS (SELECT 1 FROM queue q WHERE q.endpoint_id = u.endpoint_id AND q.order_key = u.order_key
               AND q.order_key IS NOT NULL AND NOT q.held),
       next.account_id, next.delivery_id
FROM unnest($1::uuid[], $2::bytea[]) AS u (endpoint_id, order_key)
LEFT JOIN LATERAL (
    SELECT q.account_id, q.delivery_id FROM queue q
    WHERE q.endpoint_id = u.endpoint_id AND q.order_key = u.order_key AND q.held ORDER BY q.turn LIMIT 1
) next ON true
