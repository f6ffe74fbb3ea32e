INSERT INTO accounts (account_id, name, sealed, created_at)
VALUES (?1, ?2, ?3, ?4)
