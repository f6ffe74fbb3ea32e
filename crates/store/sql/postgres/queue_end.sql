WITH gone AS (
    DELETE FROM queue q USING unnest($1::uuid[], $2::uuid[]) AS u (account_id, delivery_id)
    WHERE q.account_id = u.account_id AND q.delivery_id = u.delivery_id RETURNING q.order_key
)
SELECT count(*), count(order_key) FROM gone
