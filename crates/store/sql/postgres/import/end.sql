DELETE FROM meta WHERE name = 'import'
