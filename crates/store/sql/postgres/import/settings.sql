INSERT INTO settings (account_id, kind, name, version, body, sealed)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bytea[])
