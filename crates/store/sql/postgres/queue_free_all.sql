UPDATE queue SET held = false WHERE endpoint_id = $1 AND order_key IS NOT NULL AND held
