-- The whole schema of the embedded store, as the migrations leave it; a test compares the two.
-- Ids are the 16 bytes of a UUIDv7; moments are milliseconds since 1970; every table leads with its account.
-- A check lists its words with OR: of IN with more than two, SQLite builds a table for each row it checks.

-- Single figures, such as the last proof that the disk takes writes.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- Tenants. `sealed` holds the seed of the account's Ed25519 key, under the master key.
CREATE TABLE accounts (
    account_id BLOB    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- API keys: only the SHA-256 of each is kept.
CREATE TABLE keys (
    account_id BLOB NOT NULL,
    id         BLOB NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    body       TEXT NOT NULL,
    PRIMARY KEY (account_id, id)
) WITHOUT ROWID, STRICT;

-- Signature requests. Status and archive stand beside the body for lists; a deleted one stays for its timeline.
CREATE TABLE requests (
    account_id BLOB    NOT NULL,
    id         BLOB    NOT NULL,
    version    INTEGER NOT NULL CHECK (version > 0),
    status     TEXT    NOT NULL
        CHECK (status = 'draft' OR status = 'sent' OR status = 'completed' OR status = 'declined'
               OR status = 'expired' OR status = 'cancelled'),
    archived   INTEGER NOT NULL CHECK (archived IN (0, 1)),
    deleted_at INTEGER,
    body       TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX requests_by_id ON requests (account_id, id);
CREATE INDEX requests_by_status ON requests (account_id, status, id) WHERE deleted_at IS NULL;

-- Whose signing page a token opens, by the SHA-256 of the token.
CREATE TABLE links (
    hash       BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL,
    request_id BLOB NOT NULL,
    signer_id  BLOB NOT NULL
) WITHOUT ROWID, STRICT;

-- People the account knows.
CREATE TABLE contacts (
    account_id BLOB    NOT NULL,
    id         BLOB    NOT NULL,
    version    INTEGER NOT NULL CHECK (version > 0),
    body       TEXT    NOT NULL,
    PRIMARY KEY (account_id, id)
) WITHOUT ROWID, STRICT;

-- Who wants events. Secrets are sealed apart from the body; the last three columns say how it fares.
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
CREATE UNIQUE INDEX endpoints_by_url ON endpoints (account_id, url)
    WHERE scope = 'registered' AND status <> 'deleted';
CREATE UNIQUE INDEX endpoints_by_origin ON endpoints (account_id, dialect, url)
    WHERE scope = 'callback' AND status <> 'deleted';

-- The log. It grows at its end, and what has outlived its time goes from its beginning; `data` is empty once it did.
CREATE TABLE events (
    seq        INTEGER PRIMARY KEY,
    account_id BLOB    NOT NULL,
    id         BLOB    NOT NULL,
    name       TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    request_id BLOB,
    order_key  TEXT,
    key        TEXT,
    test       INTEGER NOT NULL CHECK (test IN (0, 1)),
    data       TEXT    NOT NULL,
    link_seq   INTEGER,
    link_hash  BLOB,
    CHECK ((link_seq IS NULL) = (link_hash IS NULL)),
    CHECK ((link_seq IS NULL) = (request_id IS NULL))
) STRICT;
CREATE UNIQUE INDEX events_by_id ON events (account_id, id);
CREATE UNIQUE INDEX events_by_key ON events (account_id, key) WHERE key IS NOT NULL;
CREATE INDEX events_by_request ON events (account_id, request_id, id) WHERE request_id IS NOT NULL;
-- The log of one account in the order it was written: every entry of an index ends with the row's number, `seq`.
CREATE INDEX events_by_seq ON events (account_id);

-- One event on its way to one endpoint. `order_key` only where the endpoint asks for order.
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
    -- The first attempt, most often the only one; further ones stand in `attempts`.
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
-- One event and one endpoint make one delivery; a replay makes another, once.
CREATE UNIQUE INDEX deliveries_by_event ON deliveries (account_id, event_id, endpoint_id, cause, cause_id);
-- What is due, endpoint by endpoint; the cause tells what an endpoint that is off may still be told.
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at, id, cause) WHERE state = 'pending' AND held = 0;
-- Who goes before whom, where an endpoint asks for order: of each key one is free, and those behind it are held.
CREATE INDEX deliveries_in_order ON deliveries (endpoint_id, held, order_key, id)
    WHERE state = 'pending' AND order_key IS NOT NULL;
-- What went wrong, endpoint by endpoint.
CREATE INDEX deliveries_failed ON deliveries (account_id, endpoint_id, state, id)
    WHERE state IN ('exhausted', 'cancelled');

-- Every try of a delivery that has ended.
CREATE TABLE attempts (
    account_id  BLOB    NOT NULL,
    delivery_id BLOB    NOT NULL,
    number      INTEGER NOT NULL CHECK (number > 0),
    id          BLOB    NOT NULL,
    at          INTEGER NOT NULL,
    took_ms     INTEGER NOT NULL,
    url         TEXT    NOT NULL,
    body_digest BLOB    NOT NULL,
    remote      TEXT,
    outcome     TEXT    NOT NULL,
    PRIMARY KEY (account_id, delivery_id, number)
) WITHOUT ROWID, STRICT;

-- The hash chain of each request.
CREATE TABLE timeline (
    account_id  BLOB    NOT NULL,
    request_id  BLOB    NOT NULL,
    seq         INTEGER NOT NULL CHECK (seq > 0),
    what        TEXT    NOT NULL CHECK (what IN ('event', 'attempt')),
    id          BLOB    NOT NULL,
    delivery_id BLOB,
    number      INTEGER,
    at          INTEGER NOT NULL,
    digest      BLOB    NOT NULL,
    hash        BLOB    NOT NULL,
    PRIMARY KEY (account_id, request_id, seq),
    CHECK ((what = 'attempt') = (delivery_id IS NOT NULL)),
    CHECK ((what = 'attempt') = (number IS NOT NULL))
) WITHOUT ROWID, STRICT;

-- What falls due by itself.
CREATE TABLE timers (
    account_id BLOB    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind = 'expiry' OR kind = 'reminder' OR kind = 'probe' OR kind = 'sweep' OR kind = 'replay' OR kind = 'silence' OR kind = 'packet' OR kind = 'document'),
    subject    BLOB    NOT NULL,
    due_at     INTEGER NOT NULL,
    PRIMARY KEY (account_id, kind, subject)
) WITHOUT ROWID, STRICT;
CREATE INDEX timers_due ON timers (due_at);

-- Jobs that tell an endpoint events again.
CREATE TABLE replays (
    account_id  BLOB NOT NULL,
    id          BLOB NOT NULL,
    endpoint_id BLOB NOT NULL,
    body        TEXT NOT NULL,
    PRIMARY KEY (account_id, id)
) WITHOUT ROWID, STRICT;
CREATE INDEX replays_by_endpoint ON replays (account_id, endpoint_id, id);

-- What an account has set, by kind and name: providers, rules, templates, looks, addresses that nothing is sent to, and
-- documents with their pieces.
-- Secrets are sealed apart from the body.
CREATE TABLE settings (
    account_id BLOB    NOT NULL,
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL CHECK (version > 0),
    body       TEXT    NOT NULL,
    sealed     BLOB,
    PRIMARY KEY (account_id, kind, name)
) WITHOUT ROWID, STRICT;

-- One message for one person about one event; its delivery has it as its cause. `message_id` is the provider's.
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

-- Answers kept for idempotency keys.
CREATE TABLE replies (
    account_id  BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    status      INTEGER NOT NULL,
    sealed      BLOB    NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (account_id, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX replies_expired ON replies (expires_at);
