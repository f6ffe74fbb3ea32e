UPDATE deliveries SET attempts = 1, first_id = ?3, first_at = ?4, first_took_ms = ?5, first_url = ?6,
    first_body_digest = ?7, first_remote = ?8, first_outcome = ?9
WHERE account_id = ?1 AND id = ?2 AND attempts = 0
