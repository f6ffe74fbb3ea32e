-- Answers for idempotency keys that have none, or one that has run out. Fails by a division when fewer are kept than $8,
-- where that is given.
WITH kept AS (
    INSERT INTO replies (account_id, key, fingerprint, status, sealed, expires_at)
    SELECT u.account_id, u.key, u.fingerprint, u.status, u.sealed, u.expires_at
    FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::int[], $5::bytea[], $6::bigint[])
        AS u (account_id, key, fingerprint, status, sealed, expires_at)
    ON CONFLICT (account_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
        sealed = excluded.sealed, expires_at = excluded.expires_at
    WHERE replies.expires_at <= $7
    RETURNING 1
)
SELECT count(*), 1 / coalesce(count(*) = $8::bigint, true)::int FROM kept
