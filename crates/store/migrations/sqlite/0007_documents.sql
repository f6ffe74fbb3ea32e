-- The timers of documents. A check cannot be changed, so the table is written anew.
ALTER TABLE timers RENAME TO timers_old;
DROP INDEX timers_due;
CREATE TABLE timers (
    account_id BLOB    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind = 'expiry' OR kind = 'reminder' OR kind = 'probe' OR kind = 'sweep' OR kind = 'replay' OR kind = 'silence' OR kind = 'packet' OR kind = 'document'),
    subject    BLOB    NOT NULL,
    due_at     INTEGER NOT NULL,
    PRIMARY KEY (account_id, kind, subject)
) WITHOUT ROWID, STRICT;
INSERT INTO timers SELECT * FROM timers_old;
DROP TABLE timers_old;
CREATE INDEX timers_due ON timers (due_at);
