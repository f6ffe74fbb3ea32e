SELECT e.id, e.name, e.at, e.request_id, e.order_key, e.key, e.test, '' AS data, e.link_seq, e.link_hash,
       octet_length(e.data) = 0
FROM events e WHERE e.account_id = $1 AND e.id > $2 AND e.id < $3 AND NOT e.test ORDER BY e.id LIMIT $4
