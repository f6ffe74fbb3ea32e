SELECT pg_advisory_xact_lock(u.key) FROM unnest($1::bigint[]) AS u (key)
