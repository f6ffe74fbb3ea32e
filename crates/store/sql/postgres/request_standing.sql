-- As in `queue_take`: found by key, and not by what is alive.
SELECT r.account_id, r.id, r.version FROM unnest($1::uuid[], $2::uuid[]) AS u (account_id, id)
JOIN requests r ON r.account_id = u.account_id AND r.id = u.id
WHERE num_nulls(r.deleted_at) = 1
