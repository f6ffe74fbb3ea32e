SELECT count(*), min(due_at), pg_database_size(current_database()) FROM queue WHERE due_at <= $1 AND NOT held
