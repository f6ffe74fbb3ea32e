DELETE FROM attempts WHERE account_id = ?1 AND delivery_id > ?2 AND delivery_id < ?3
  AND EXISTS (SELECT 1 FROM deliveries d
              WHERE d.account_id = ?1 AND d.id = attempts.delivery_id AND d.ended_at < ?4)
