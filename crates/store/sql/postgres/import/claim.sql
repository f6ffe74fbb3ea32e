-- One import at a time; it is let go of with the connection.
SELECT pg_try_advisory_lock(7165064744910586223)
