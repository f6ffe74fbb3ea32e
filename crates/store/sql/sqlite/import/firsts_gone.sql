DELETE FROM attempts WHERE number = 1
