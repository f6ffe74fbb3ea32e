-- Notices: deliveries whose cause is one, the endpoints that carry them, reminders. A check cannot be changed, so each
-- table that has one is written anew.
ALTER TABLE endpoints RENAME TO endpoints_old;
DROP INDEX endpoints_by_url;
DROP INDEX endpoints_by_origin;
CREATE TABLE endpoints (
    account_id    BLOB    NOT NULL,
    id            BLOB    NOT NULL,
    version       INTEGER NOT NULL CHECK (version > 0),
    url           TEXT    NOT NULL,
    dialect       TEXT    NOT NULL,
    scope         TEXT    NOT NULL CHECK (scope = 'registered' OR scope = 'callback' OR scope = 'notices'),
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

ALTER TABLE deliveries RENAME TO deliveries_old;
DROP INDEX deliveries_by_event;
DROP INDEX deliveries_due;
DROP INDEX deliveries_in_order;
DROP INDEX deliveries_failed;
CREATE TABLE deliveries (
    account_id  BLOB    NOT NULL,
    id          BLOB    NOT NULL,
    event_id    BLOB    NOT NULL,
    endpoint_id BLOB    NOT NULL,
    cause       TEXT    NOT NULL CHECK (cause = 'event' OR cause = 'replay' OR cause = 'notice' OR cause = 'test' OR cause = 'probe'),
    cause_id    BLOB    NOT NULL,
    state       TEXT    NOT NULL
        CHECK (state = 'pending' OR state = 'delivered' OR state = 'exhausted' OR state = 'cancelled'),
    due_at      INTEGER,
    ended_at    INTEGER,
    why         TEXT,
    attempts    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    order_key   TEXT,
    held        INTEGER NOT NULL CHECK (held IN (0, 1)),
    first_id BLOB,
    first_at INTEGER,
    first_took_ms INTEGER,
    first_url TEXT,
    first_body_digest BLOB,
    first_remote TEXT,
    first_outcome TEXT,
    PRIMARY KEY (account_id, id),
    CHECK (held = 0 OR (state = 'pending' AND order_key IS NOT NULL)),
    CHECK ((state = 'pending') = (due_at IS NOT NULL)),
    CHECK ((state = 'pending') = (ended_at IS NULL)),
    CHECK ((state IN ('exhausted', 'cancelled')) = (why IS NOT NULL))
) WITHOUT ROWID, STRICT;
INSERT INTO deliveries SELECT * FROM deliveries_old;
DROP TABLE deliveries_old;
CREATE UNIQUE INDEX deliveries_by_event ON deliveries (account_id, event_id, endpoint_id, cause, cause_id);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at, id, cause) WHERE state = 'pending' AND held = 0;
CREATE INDEX deliveries_in_order ON deliveries (endpoint_id, held, order_key, id)
    WHERE state = 'pending' AND order_key IS NOT NULL;
CREATE INDEX deliveries_failed ON deliveries (account_id, endpoint_id, state, id)
    WHERE state IN ('exhausted', 'cancelled');

ALTER TABLE timers RENAME TO timers_old;
DROP INDEX timers_due;
CREATE TABLE timers (
    account_id BLOB    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind = 'expiry' OR kind = 'reminder' OR kind = 'probe' OR kind = 'sweep' OR kind = 'replay'),
    subject    BLOB    NOT NULL,
    due_at     INTEGER NOT NULL,
    PRIMARY KEY (account_id, kind, subject)
) WITHOUT ROWID, STRICT;
INSERT INTO timers SELECT * FROM timers_old;
DROP TABLE timers_old;
CREATE INDEX timers_due ON timers (due_at);

CREATE TABLE settings (
    account_id BLOB    NOT NULL,
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL CHECK (version > 0),
    body       TEXT    NOT NULL,
    sealed     BLOB,
    PRIMARY KEY (account_id, kind, name)
) WITHOUT ROWID, STRICT;

CREATE TABLE notices (
    account_id BLOB    NOT NULL,
    id         BLOB    NOT NULL,
    version    INTEGER NOT NULL CHECK (version > 0),
    request_id BLOB    NOT NULL,
    message_id TEXT,
    body       TEXT    NOT NULL,
    PRIMARY KEY (account_id, id)
) WITHOUT ROWID, STRICT;
CREATE INDEX notices_by_request ON notices (account_id, request_id, id);
CREATE INDEX notices_by_message ON notices (account_id, message_id) WHERE message_id IS NOT NULL;
