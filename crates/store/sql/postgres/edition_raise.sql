INSERT INTO editions (account_id, edition) VALUES ($1, 1)
ON CONFLICT (account_id) DO UPDATE SET edition = editions.edition + 1 RETURNING edition
