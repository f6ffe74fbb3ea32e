-- Requests from the versions they were made from. Fails by a division when fewer stood there than $7, where that is given.
-- As in `queue_take`: found by key, and not by what is alive.
WITH changed AS (
    UPDATE requests r SET version = r.version + 1, status = u.status, archived = u.archived, body = u.body
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::boolean[], $5::text[], $6::bigint[])
        AS u (account_id, id, status, archived, body, version)
    WHERE r.account_id = u.account_id AND r.id = u.id AND r.version = u.version AND num_nulls(r.deleted_at) = 1
    RETURNING 1
)
SELECT count(*), 1 / coalesce(count(*) = $7::bigint, true)::int FROM changed
