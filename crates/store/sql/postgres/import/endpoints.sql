-- Nodes read the endpoints of an account when its edition is another one than they know; at first that is none.
WITH u AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                         $9::bytea[], $10::bigint[], $11::bigint[], $12::bigint[])
        AS u (account_id, id, version, url, dialect, scope, status, body, sealed, failing_since, failures, warnings)
), written AS (
    INSERT INTO endpoints (account_id, id, version, url, dialect, scope, status, body, sealed, failing_since, failures,
                           warnings)
    SELECT account_id, id, version, url, dialect, scope, status, body, sealed, failing_since, failures, warnings FROM u
)
INSERT INTO editions (account_id, edition) SELECT DISTINCT account_id, 1 FROM u
ON CONFLICT (account_id) DO UPDATE SET edition = editions.edition + 1
