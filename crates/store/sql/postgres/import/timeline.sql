-- Each entry, and the end of its chain.
WITH u AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::uuid[], $6::uuid[], $7::bigint[],
                         $8::bigint[], $9::bytea[], $10::bytea[])
        AS u (account_id, request_id, seq, what, id, delivery_id, number, at, digest, hash)
), written AS (
    INSERT INTO timeline (account_id, request_id, seq, what, id, delivery_id, number, at, digest, hash)
    SELECT account_id, request_id, seq, what, id, delivery_id, number, at, digest, hash FROM u
)
INSERT INTO heads (account_id, request_id, seq, hash)
SELECT DISTINCT ON (account_id, request_id) account_id, request_id, seq, hash FROM u
ORDER BY account_id, request_id, seq DESC
ON CONFLICT (account_id, request_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash
