SELECT e.id, e.name, e.at, e.request_id, e.order_key, e.key, e.test, e.data, e.link_seq, e.link_hash FROM events e
WHERE e.account_id = $1 AND e.request_id = $2 AND e.id < $3 AND ($4::text[] IS NULL OR e.name = ANY ($4))
ORDER BY e.id DESC LIMIT $5
