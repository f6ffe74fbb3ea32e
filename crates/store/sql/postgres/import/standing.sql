-- Whether anything is kept here, whether a node lives here, and whether an import was begun.
SELECT EXISTS (SELECT 1 FROM accounts) OR EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM deliveries),
       EXISTS (SELECT 1 FROM nodes WHERE NOT is_dead),
       EXISTS (SELECT 1 FROM meta WHERE name = 'import')
