SELECT (SELECT min(e.at) FROM (SELECT (SELECT v.at FROM events v WHERE v.account_id = a.account_id
                                       ORDER BY v.id LIMIT 1) AS at FROM accounts a) e),
       (SELECT min(d.at) FROM (SELECT (SELECT v.created_at FROM deliveries v WHERE v.account_id = a.account_id
                                       ORDER BY v.id LIMIT 1) AS at FROM accounts a) d)
