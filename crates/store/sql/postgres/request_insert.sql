-- New requests. Fails by a division when fewer are new than $6, where that is given.
WITH made AS (
    INSERT INTO requests (account_id, id, version, status, archived, body)
    SELECT u.account_id, u.id, 1, u.status, u.archived, u.body
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::boolean[], $5::text[])
        AS u (account_id, id, status, archived, body)
    ON CONFLICT DO NOTHING RETURNING 1
)
SELECT count(*), 1 / coalesce(count(*) = $6::bigint, true)::int FROM made
