UPDATE notices SET version = version + 1, message_id = ?3, body = ?4
WHERE account_id = ?1 AND id = ?2 AND version = ?5
