PRAGMA wal_autocheckpoint = 4000
