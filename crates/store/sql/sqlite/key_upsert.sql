INSERT INTO keys (account_id, id, hash, body) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (account_id, id) DO UPDATE SET body = excluded.body
ON CONFLICT DO NOTHING
