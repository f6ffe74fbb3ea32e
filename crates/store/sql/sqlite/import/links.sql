INSERT INTO links (hash, account_id, request_id, signer_id)
VALUES (?1, ?2, ?3, ?4)
