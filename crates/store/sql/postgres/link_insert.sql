INSERT INTO links (account_id, request_id, signer_id, hash) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
