SELECT (SELECT min(e.at) FROM accounts a CROSS JOIN LATERAL
            (SELECT v.at FROM events v WHERE v.account_id = a.account_id ORDER BY v.id LIMIT 1) e),
       (SELECT min(d.created_at) FROM accounts a CROSS JOIN LATERAL
            (SELECT v.created_at FROM deliveries v WHERE v.account_id = a.account_id ORDER BY v.id LIMIT 1) d)
