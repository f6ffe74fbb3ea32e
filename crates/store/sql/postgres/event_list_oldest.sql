-- Who follows the log must not pass a place where an event may still appear: those of transactions under way, and of
-- later ones, are left for the next time.
SELECT e.id, e.name, e.at, e.request_id, e.order_key, e.key, e.test, e.data, e.link_seq, e.link_hash FROM events e
WHERE e.account_id = $1 AND ($3::text[] IS NULL OR e.name = ANY ($3))
  AND e.seq > coalesce((SELECT c.seq FROM events c WHERE c.account_id = $1 AND c.id <= $2 ORDER BY c.id DESC LIMIT 1), -1)
  AND e.seq < $5 + (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint << 20)
ORDER BY e.seq LIMIT $4
