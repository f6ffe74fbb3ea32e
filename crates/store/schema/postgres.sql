-- The whole schema of the PostgreSQL store, as the migrations leave it; a test compares the two.
-- Ids are UUIDv7; moments are milliseconds since 1970; every table of an account leads with it. Nothing refers to
-- another table by a foreign key, so that each could be partitioned by its account. A client's own keys are bytes:
-- they are compared for sameness alone, and may hold what a text may not.

-- Single figures: the schema's version, the membership's epoch, what the log is based on.
CREATE TABLE meta (
    name  text   COLLATE "C" PRIMARY KEY,
    value bigint NOT NULL
);

-- Processes that serve this database. `beat` moves while one lives; `sees` is the epoch of the membership it acts on.
-- One that was declared dead stays until its leases are free.
CREATE TABLE nodes (
    node_id    uuid    PRIMARY KEY,
    beat       bigint  NOT NULL,
    sees       bigint  NOT NULL,
    started_at bigint  NOT NULL,
    seen_at    bigint  NOT NULL,
    is_dead    boolean NOT NULL DEFAULT false,
    name       text    NOT NULL
) WITH (fillfactor = 20);

-- What each connection that writes did last. The row is written in every transaction: it tells whether a commit whose
-- answer was lost took place, counts the events of the log, and is gone once its node was declared dead, so that a dead
-- node leases nothing.
CREATE TABLE writers (
    node_id uuid   NOT NULL,
    writer  int    NOT NULL,
    batch   bigint NOT NULL,
    events  bigint NOT NULL,
    PRIMARY KEY (node_id, writer)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Tenants. `sealed` holds the seed of the account's Ed25519 key, under the master key.
CREATE TABLE accounts (
    account_id uuid   PRIMARY KEY,
    created_at bigint NOT NULL,
    name       text   COLLATE "C" NOT NULL UNIQUE,
    sealed     bytea  NOT NULL
);

-- How often the endpoints of an account were written: what a node keeps of them in memory is true while this stands.
CREATE TABLE editions (
    account_id uuid   PRIMARY KEY,
    edition    bigint NOT NULL
) WITH (fillfactor = 70);

-- API keys: only the SHA-256 of each is kept.
CREATE TABLE keys (
    account_id uuid  NOT NULL,
    id         uuid  NOT NULL,
    hash       bytea NOT NULL UNIQUE,
    body       text  NOT NULL,
    PRIMARY KEY (account_id, id)
);

-- Signature requests. Status and archive stand beside the body for lists; a deleted one stays for its timeline.
CREATE TABLE requests (
    account_id uuid    NOT NULL,
    id         uuid    NOT NULL,
    version    bigint  NOT NULL CHECK (version > 0),
    deleted_at bigint,
    archived   boolean NOT NULL,
    status     text    COLLATE "C" NOT NULL
        CHECK (status IN ('draft', 'sent', 'completed', 'declined', 'expired', 'cancelled')),
    body       text    NOT NULL,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 70);
CREATE INDEX requests_by_status ON requests (account_id, status, id) WHERE deleted_at IS NULL;

-- Whose signing page a token opens, by the SHA-256 of the token.
CREATE TABLE links (
    account_id uuid  NOT NULL,
    request_id uuid  NOT NULL,
    signer_id  uuid  NOT NULL,
    hash       bytea PRIMARY KEY
);

-- People the account knows.
CREATE TABLE contacts (
    account_id uuid   NOT NULL,
    id         uuid   NOT NULL,
    version    bigint NOT NULL CHECK (version > 0),
    body       text   NOT NULL,
    PRIMARY KEY (account_id, id)
);

-- Who wants events. Secrets are sealed apart from the body; three columns say how it fares.
CREATE TABLE endpoints (
    account_id    uuid   NOT NULL,
    id            uuid   NOT NULL,
    version       bigint NOT NULL CHECK (version > 0),
    failing_since bigint,
    failures      bigint NOT NULL DEFAULT 0,
    warnings      int    NOT NULL DEFAULT 0,
    dialect       text   COLLATE "C" NOT NULL,
    scope         text   COLLATE "C" NOT NULL CHECK (scope IN ('registered', 'callback', 'notices', 'intake')),
    status        text   COLLATE "C" NOT NULL
        CHECK (status IN ('enabled', 'disabled', 'disabled_by_system', 'deleted')),
    url           text   COLLATE "C" NOT NULL,
    body          text   NOT NULL,
    sealed        bytea  NOT NULL,
    PRIMARY KEY (account_id, id),
    CHECK ((failing_since IS NULL) = (failures = 0))
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX endpoints_by_url ON endpoints (account_id, url)
    WHERE scope = 'registered' AND status <> 'deleted';
CREATE UNIQUE INDEX endpoints_by_origin ON endpoints (account_id, dialect, url)
    WHERE scope = 'callback' AND status <> 'deleted';

-- The log. It grows at its end, and what has outlived its time goes from its beginning; `data` is empty once it did.
-- `seq` is the id of the transaction that wrote the event, and its place in it: who reads up to the oldest transaction
-- under way will find nothing new before that later.
CREATE TABLE events (
    account_id uuid    NOT NULL,
    id         uuid    NOT NULL,
    request_id uuid,
    seq        bigint  NOT NULL,
    at         bigint  NOT NULL,
    link_seq   bigint,
    test       boolean NOT NULL,
    name       text    COLLATE "C" NOT NULL,
    order_key  bytea,
    key        bytea,
    link_hash  bytea,
    data       text    NOT NULL,
    PRIMARY KEY (account_id, id),
    CHECK ((link_seq IS NULL) = (link_hash IS NULL)),
    CHECK ((link_seq IS NULL) = (request_id IS NULL))
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1);
CREATE UNIQUE INDEX events_by_key ON events (account_id, key) WHERE key IS NOT NULL;
CREATE INDEX events_by_seq ON events (account_id, seq);
CREATE INDEX events_by_request ON events (account_id, request_id, seq) WHERE request_id IS NOT NULL;

-- One event on its way to one endpoint. No index has a column that changes, and each page keeps some room, so that an
-- end is written beside the row and into no index.
CREATE TABLE deliveries (
    account_id  uuid   NOT NULL,
    id          uuid   NOT NULL,
    event_id    uuid   NOT NULL,
    endpoint_id uuid   NOT NULL,
    cause_id    uuid   NOT NULL,
    created_at  bigint NOT NULL,
    ended_at    bigint,
    attempts    int    NOT NULL,
    cause       text   COLLATE "C" NOT NULL CHECK (cause IN ('event', 'replay', 'notice', 'test', 'probe')),
    state       text   COLLATE "C" NOT NULL CHECK (state IN ('pending', 'delivered', 'exhausted', 'cancelled')),
    why         text   COLLATE "C",
    PRIMARY KEY (account_id, id),
    CHECK ((state = 'pending') = (ended_at IS NULL)),
    CHECK ((state IN ('exhausted', 'cancelled')) = (why IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.1);
-- One event and one endpoint make one delivery; a replay makes another, once.
CREATE UNIQUE INDEX deliveries_by_event ON deliveries (account_id, event_id, endpoint_id, cause, cause_id);

-- What is pending. `node_id` is the node that leased it; `order_key` stands only where the endpoint asks for order, and
-- `turn` then says who goes before whom. `bytes` is what the event's text takes in memory.
CREATE TABLE queue (
    account_id  uuid    NOT NULL,
    delivery_id uuid    NOT NULL,
    endpoint_id uuid    NOT NULL,
    node_id     uuid,
    due_at      bigint  NOT NULL,
    turn        bigint,
    bytes       int     NOT NULL,
    held        boolean NOT NULL,
    cause       text    COLLATE "C" NOT NULL,
    order_key   bytea,
    PRIMARY KEY (account_id, delivery_id),
    CHECK ((turn IS NULL) = (order_key IS NULL)),
    CHECK (NOT held OR (order_key IS NOT NULL AND node_id IS NULL))
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.5, autovacuum_analyze_threshold = 50000);
-- What is due and nobody's, endpoint by endpoint.
CREATE INDEX queue_due ON queue (endpoint_id, due_at, delivery_id) WHERE node_id IS NULL AND NOT held;
-- What an endpoint that is off may still be told.
CREATE INDEX queue_asked ON queue (endpoint_id, due_at, delivery_id)
    WHERE node_id IS NULL AND NOT held AND cause IN ('test', 'probe');
-- Who goes before whom, where an endpoint asks for order: of each key one is free, and those behind it are held.
CREATE INDEX queue_in_order ON queue (endpoint_id, order_key, turn) WHERE order_key IS NOT NULL;
CREATE INDEX queue_free_in_order ON queue (endpoint_id, order_key) WHERE order_key IS NOT NULL AND NOT held;
CREATE SEQUENCE turns;

-- What went wrong, endpoint by endpoint.
CREATE TABLE failures (
    account_id  uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    state       text COLLATE "C" NOT NULL CHECK (state IN ('exhausted', 'cancelled')),
    PRIMARY KEY (account_id, endpoint_id, state, delivery_id)
);

-- Every try of a delivery that has ended.
CREATE TABLE attempts (
    account_id  uuid   NOT NULL,
    delivery_id uuid   NOT NULL,
    id          uuid   NOT NULL,
    at          bigint NOT NULL,
    number      int    NOT NULL CHECK (number > 0),
    took_ms     bigint NOT NULL,
    body_digest bytea  NOT NULL,
    url         text   NOT NULL,
    remote      text,
    outcome     text   NOT NULL,
    PRIMARY KEY (account_id, delivery_id, number)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1);

-- The end of each request's chain; who holds its row adds to the timeline.
CREATE TABLE heads (
    account_id uuid   NOT NULL,
    request_id uuid   NOT NULL,
    seq        bigint NOT NULL,
    hash       bytea  NOT NULL,
    PRIMARY KEY (account_id, request_id)
) WITH (fillfactor = 50);

-- The hash chain of each request.
CREATE TABLE timeline (
    account_id  uuid   NOT NULL,
    request_id  uuid   NOT NULL,
    id          uuid   NOT NULL,
    delivery_id uuid,
    seq         bigint NOT NULL CHECK (seq > 0),
    at          bigint NOT NULL,
    number      int,
    what        text   COLLATE "C" NOT NULL CHECK (what IN ('event', 'attempt')),
    digest      bytea  NOT NULL,
    hash        bytea  NOT NULL,
    PRIMARY KEY (account_id, request_id, seq),
    CHECK ((what = 'attempt') = (delivery_id IS NOT NULL)),
    CHECK ((what = 'attempt') = (number IS NOT NULL))
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1);

-- What falls due by itself. `node_id` is the node that acts on it.
CREATE TABLE timers (
    account_id uuid   NOT NULL,
    subject    uuid   NOT NULL,
    node_id    uuid,
    due_at     bigint NOT NULL,
    kind       text   COLLATE "C" NOT NULL CHECK (kind IN ('expiry', 'reminder', 'probe', 'sweep', 'replay', 'silence', 'packet', 'document')),
    PRIMARY KEY (account_id, kind, subject)
) WITH (fillfactor = 70);
CREATE INDEX timers_due ON timers (due_at);

-- Jobs that tell an endpoint events again.
CREATE TABLE replays (
    account_id  uuid NOT NULL,
    id          uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    body        text NOT NULL,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 50);
CREATE INDEX replays_by_endpoint ON replays (account_id, endpoint_id, id);

-- What an account has set, by kind and name: providers, rules, templates, looks, addresses that nothing is sent to, and
-- documents with their pieces.
-- Secrets are sealed apart from the body.
CREATE TABLE settings (
    account_id uuid   NOT NULL,
    version    bigint NOT NULL CHECK (version > 0),
    kind       text   COLLATE "C" NOT NULL,
    name       text   COLLATE "C" NOT NULL,
    body       text   NOT NULL,
    sealed     bytea,
    PRIMARY KEY (account_id, kind, name)
);

-- One message for one person about one event; its delivery has it as its cause. `message_id` is the provider's.
CREATE TABLE notices (
    account_id uuid   NOT NULL,
    id         uuid   NOT NULL,
    request_id uuid   NOT NULL,
    version    bigint NOT NULL CHECK (version > 0),
    message_id text   COLLATE "C",
    body       text   NOT NULL,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 50);
CREATE INDEX notices_by_request ON notices (account_id, request_id, id);
CREATE INDEX notices_by_message ON notices (account_id, message_id) WHERE message_id IS NOT NULL;

-- Answers kept for idempotency keys.
CREATE TABLE replies (
    account_id  uuid   NOT NULL,
    expires_at  bigint NOT NULL,
    status      int    NOT NULL,
    key         bytea  NOT NULL,
    fingerprint bytea  NOT NULL,
    sealed      bytea  NOT NULL,
    PRIMARY KEY (account_id, key)
);
CREATE INDEX replies_expired ON replies (expires_at);
