SELECT account_id, request_id, signer_id FROM links WHERE hash = $1
