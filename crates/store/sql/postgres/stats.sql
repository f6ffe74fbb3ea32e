SELECT (SELECT count(*) FROM queue),
       coalesce((SELECT value FROM meta WHERE name = 'events'), 0)
       + coalesce((SELECT sum(events) FROM writers), 0)::bigint,
       pg_database_size(current_database())
