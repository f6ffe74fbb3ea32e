-- Who follows the log goes by the order in which events came into it, which is not that of their ids, and only as far as
-- the log is on the disk: what a loss of power takes back may come again in another order.
SELECT e.id, e.name, e.at, e.request_id, e.order_key, e.key, e.test, e.data, e.link_seq, e.link_hash FROM events e
WHERE e.account_id = ?1 AND (?3 IS NULL OR e.name IN (SELECT value FROM json_each(?3)))
  AND e.seq > coalesce((SELECT c.seq FROM events c WHERE c.account_id = ?1 AND c.id <= ?2 ORDER BY c.id DESC LIMIT 1), 0)
  AND e.seq <= ?5
ORDER BY e.seq LIMIT ?4
