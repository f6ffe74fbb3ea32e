SELECT pg_notify('countersign', $1)
