-- New contacts. Fails by a division when fewer are new than $4, where that is given.
WITH made AS (
    INSERT INTO contacts (account_id, id, version, body)
    SELECT u.account_id, u.id, 1, u.body FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS u (account_id, id, body)
    ON CONFLICT DO NOTHING RETURNING 1
)
SELECT count(*), 1 / coalesce(count(*) = $4::bigint, true)::int FROM made
