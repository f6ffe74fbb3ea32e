SELECT endpoint_id, order_key, held FROM deliveries WHERE account_id = ?1 AND id = ?2
