SELECT hash, account_id, request_id, signer_id
FROM links ORDER BY hash
