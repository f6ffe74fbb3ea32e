-- Contacts from the versions they were made from. Fails by a division when fewer stood there than $5, where that is given.
WITH changed AS (
    UPDATE contacts c SET version = c.version + 1, body = u.body
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[]) AS u (account_id, id, body, version)
    WHERE c.account_id = u.account_id AND c.id = u.id AND c.version = u.version
    RETURNING 1
)
SELECT count(*), 1 / coalesce(count(*) = $5::bigint, true)::int FROM changed
