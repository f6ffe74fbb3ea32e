-- Held, so that its text is not forgotten while a delivery of it is made.
SELECT e.id, e.name, e.at, e.request_id, e.order_key, e.key, e.test, e.data, e.link_seq, e.link_hash FROM events e
WHERE e.account_id = $1 AND e.id = $2 FOR KEY SHARE
