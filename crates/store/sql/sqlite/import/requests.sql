INSERT INTO requests (account_id, id, version, status, archived, deleted_at, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
