DELETE FROM notices WHERE account_id = ?1 AND id IN (
    SELECT cause_id FROM deliveries
    WHERE account_id = ?1 AND id > ?2 AND id < ?3 AND ended_at < ?4 AND cause = 'notice'
)
