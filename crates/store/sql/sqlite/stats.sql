SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending'),
       (SELECT coalesce(max(seq), 0) FROM events)
