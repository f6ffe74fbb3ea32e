INSERT INTO queue (account_id, delivery_id, endpoint_id, node_id, due_at, turn, bytes, held, cause, order_key)
SELECT u.account_id, u.delivery_id, u.endpoint_id, u.node_id, u.due_at,
       CASE WHEN u.order_key IS NOT NULL THEN nextval('turns') END, u.bytes, u.held, u.cause, u.order_key
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::int[], $7::boolean[], $8::text[],
            $9::bytea[])
    AS u (account_id, delivery_id, endpoint_id, node_id, due_at, bytes, held, cause, order_key)
