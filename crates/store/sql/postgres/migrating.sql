-- Nodes that start at once bring the schema up to date one after the other.
SELECT pg_advisory_xact_lock(7165064744910586222)
