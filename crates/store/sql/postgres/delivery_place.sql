SELECT endpoint_id FROM deliveries WHERE account_id = $1 AND id = $2
