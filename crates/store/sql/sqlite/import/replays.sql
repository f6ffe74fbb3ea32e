INSERT INTO replays (account_id, id, endpoint_id, body)
VALUES (?1, ?2, ?3, ?4)
