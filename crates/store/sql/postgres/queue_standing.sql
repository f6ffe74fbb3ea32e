SELECT count(*), min(due_at) FROM queue WHERE due_at <= $1 AND NOT held
