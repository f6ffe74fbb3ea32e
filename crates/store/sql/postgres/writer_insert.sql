INSERT INTO writers (node_id, writer, batch, events) VALUES ($1, $2, 0, 0)
