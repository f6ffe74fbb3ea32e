-- First attempts stand in the rows of their deliveries.
UPDATE deliveries SET first_id = a.id, first_at = a.at, first_took_ms = a.took_ms, first_url = a.url,
    first_body_digest = a.body_digest, first_remote = a.remote, first_outcome = a.outcome
FROM attempts AS a
WHERE a.account_id = deliveries.account_id AND a.delivery_id = deliveries.id AND a.number = 1
