SELECT account_id, id FROM events WHERE seq > ?1 ORDER BY seq
