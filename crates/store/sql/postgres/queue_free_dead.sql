-- What a dead node had leased, a few at a time, from one place in the table to the next.
WITH looked AS MATERIALIZED (
    SELECT account_id, delivery_id, node_id FROM queue
    WHERE (account_id, delivery_id) > ($2, $3) ORDER BY account_id, delivery_id LIMIT $4
), freed AS (
    UPDATE queue q SET node_id = NULL FROM looked l
    WHERE l.node_id = $1 AND q.account_id = l.account_id AND q.delivery_id = l.delivery_id AND q.node_id = $1
    RETURNING q.endpoint_id
)
SELECT (SELECT count(*) FROM looked), (SELECT array_agg(DISTINCT endpoint_id) FROM freed),
       last.account_id, last.delivery_id
FROM (SELECT account_id, delivery_id FROM looked ORDER BY account_id DESC, delivery_id DESC LIMIT 1) last
