SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending' AND held = 0)
       + (SELECT count(*) FROM deliveries WHERE state = 'pending' AND held = 1 AND order_key IS NOT NULL),
       (SELECT coalesce(max(seq), 0) FROM events)
