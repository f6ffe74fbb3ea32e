UPDATE endpoints SET failing_since = ?3, failures = ?4, warnings = ?5 WHERE account_id = ?1 AND id = ?2
