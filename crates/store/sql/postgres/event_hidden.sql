-- Whether there is an event that who follows the log is not shown yet.
SELECT 1 FROM events e
WHERE e.account_id = $1 AND e.seq >= $2 + (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint << 20)
ORDER BY e.seq DESC LIMIT 1
