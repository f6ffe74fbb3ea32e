-- Intake: the endpoints that read what comes in, and the timers of mirrors. A check cannot be changed, so each table that
-- has one is written anew.
ALTER TABLE endpoints RENAME TO endpoints_old;
DROP INDEX endpoints_by_url;
DROP INDEX endpoints_by_origin;
CREATE TABLE endpoints (
    account_id    BLOB    NOT NULL,
    id            BLOB    NOT NULL,
    version       INTEGER NOT NULL CHECK (version > 0),
    url           TEXT    NOT NULL,
    dialect       TEXT    NOT NULL,
    scope         TEXT    NOT NULL CHECK (scope = 'registered' OR scope = 'callback' OR scope = 'notices' OR scope = 'intake'),
    status        TEXT    NOT NULL
        CHECK (status = 'enabled' OR status = 'disabled' OR status = 'disabled_by_system'
               OR status = 'deleted'),
    body          TEXT    NOT NULL,
    sealed        BLOB    NOT NULL,
    failing_since INTEGER,
    failures      INTEGER NOT NULL DEFAULT 0,
    warnings      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, id),
    CHECK ((failing_since IS NULL) = (failures = 0))
) WITHOUT ROWID, STRICT;
INSERT INTO endpoints SELECT * FROM endpoints_old;
DROP TABLE endpoints_old;
CREATE UNIQUE INDEX endpoints_by_url ON endpoints (account_id, url)
    WHERE scope = 'registered' AND status <> 'deleted';
CREATE UNIQUE INDEX endpoints_by_origin ON endpoints (account_id, dialect, url)
    WHERE scope = 'callback' AND status <> 'deleted';

ALTER TABLE timers RENAME TO timers_old;
DROP INDEX timers_due;
CREATE TABLE timers (
    account_id BLOB    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind = 'expiry' OR kind = 'reminder' OR kind = 'probe' OR kind = 'sweep' OR kind = 'replay' OR kind = 'silence'),
    subject    BLOB    NOT NULL,
    due_at     INTEGER NOT NULL,
    PRIMARY KEY (account_id, kind, subject)
) WITHOUT ROWID, STRICT;
INSERT INTO timers SELECT * FROM timers_old;
DROP TABLE timers_old;
CREATE INDEX timers_due ON timers (due_at);
