-- Said as a call, `node_id IS NULL` does not lead to the index of what is due, all of which would be gone through for
-- each key: while the table is empty, that index looks as good as the one by key.
WITH taken AS (
    UPDATE queue q SET node_id = $3
    FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS u (account_id, delivery_id, place)
    WHERE q.account_id = u.account_id AND q.delivery_id = u.delivery_id AND num_nulls(q.node_id) = 1 AND NOT q.held
    RETURNING q.account_id, q.delivery_id, q.due_at, u.place
)
SELECT d.account_id, d.id, d.event_id, d.endpoint_id, d.cause, d.cause_id, d.state, q.due_at, d.ended_at, d.why,
       d.attempts, d.created_at,
       e.id, e.name, e.at, e.request_id, e.order_key, e.key, e.test, e.data, e.link_seq, e.link_hash
FROM taken q JOIN deliveries d ON d.account_id = q.account_id AND d.id = q.delivery_id
JOIN events e ON e.account_id = d.account_id AND e.id = d.event_id
ORDER BY q.place
