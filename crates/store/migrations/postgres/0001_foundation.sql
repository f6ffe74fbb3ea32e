-- The first schema.
CREATE TABLE meta (
    name  text   COLLATE "C" PRIMARY KEY,
    value bigint NOT NULL
);

CREATE TABLE nodes (
    node_id    uuid    PRIMARY KEY,
    beat       bigint  NOT NULL,
    sees       bigint  NOT NULL,
    started_at bigint  NOT NULL,
    seen_at    bigint  NOT NULL,
    is_dead    boolean NOT NULL DEFAULT false,
    name       text    NOT NULL
) WITH (fillfactor = 20);

CREATE TABLE writers (
    node_id uuid   NOT NULL,
    writer  int    NOT NULL,
    batch   bigint NOT NULL,
    events  bigint NOT NULL,
    PRIMARY KEY (node_id, writer)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE accounts (
    account_id uuid   PRIMARY KEY,
    created_at bigint NOT NULL,
    name       text   COLLATE "C" NOT NULL UNIQUE,
    sealed     bytea  NOT NULL
);

CREATE TABLE editions (
    account_id uuid   PRIMARY KEY,
    edition    bigint NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE keys (
    account_id uuid  NOT NULL,
    id         uuid  NOT NULL,
    hash       bytea NOT NULL UNIQUE,
    body       text  NOT NULL,
    PRIMARY KEY (account_id, id)
);

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

CREATE TABLE links (
    account_id uuid  NOT NULL,
    request_id uuid  NOT NULL,
    signer_id  uuid  NOT NULL,
    hash       bytea PRIMARY KEY
);

CREATE TABLE contacts (
    account_id uuid   NOT NULL,
    id         uuid   NOT NULL,
    version    bigint NOT NULL CHECK (version > 0),
    body       text   NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE TABLE endpoints (
    account_id    uuid   NOT NULL,
    id            uuid   NOT NULL,
    version       bigint NOT NULL CHECK (version > 0),
    failing_since bigint,
    failures      bigint NOT NULL DEFAULT 0,
    warnings      int    NOT NULL DEFAULT 0,
    dialect       text   COLLATE "C" NOT NULL,
    scope         text   COLLATE "C" NOT NULL CHECK (scope IN ('registered', 'callback')),
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

CREATE TABLE deliveries (
    account_id  uuid   NOT NULL,
    id          uuid   NOT NULL,
    event_id    uuid   NOT NULL,
    endpoint_id uuid   NOT NULL,
    cause_id    uuid   NOT NULL,
    created_at  bigint NOT NULL,
    ended_at    bigint,
    attempts    int    NOT NULL,
    cause       text   COLLATE "C" NOT NULL CHECK (cause IN ('event', 'replay', 'test', 'probe')),
    state       text   COLLATE "C" NOT NULL CHECK (state IN ('pending', 'delivered', 'exhausted', 'cancelled')),
    why         text   COLLATE "C",
    PRIMARY KEY (account_id, id),
    CHECK ((state = 'pending') = (ended_at IS NULL)),
    CHECK ((state IN ('exhausted', 'cancelled')) = (why IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.1);
CREATE UNIQUE INDEX deliveries_by_event ON deliveries (account_id, event_id, endpoint_id, cause, cause_id);

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
CREATE INDEX queue_due ON queue (endpoint_id, due_at, delivery_id) WHERE node_id IS NULL AND NOT held;
CREATE INDEX queue_asked ON queue (endpoint_id, due_at, delivery_id)
    WHERE node_id IS NULL AND NOT held AND cause IN ('test', 'probe');
CREATE INDEX queue_in_order ON queue (endpoint_id, order_key, turn) WHERE order_key IS NOT NULL;
CREATE SEQUENCE turns;

CREATE TABLE failures (
    account_id  uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    state       text COLLATE "C" NOT NULL CHECK (state IN ('exhausted', 'cancelled')),
    PRIMARY KEY (account_id, endpoint_id, state, delivery_id)
);

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

CREATE TABLE heads (
    account_id uuid   NOT NULL,
    request_id uuid   NOT NULL,
    seq        bigint NOT NULL,
    hash       bytea  NOT NULL,
    PRIMARY KEY (account_id, request_id)
) WITH (fillfactor = 50);

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

CREATE TABLE timers (
    account_id uuid   NOT NULL,
    subject    uuid   NOT NULL,
    node_id    uuid,
    due_at     bigint NOT NULL,
    kind       text   COLLATE "C" NOT NULL CHECK (kind IN ('expiry', 'probe', 'sweep', 'replay')),
    PRIMARY KEY (account_id, kind, subject)
) WITH (fillfactor = 70);
CREATE INDEX timers_due ON timers (due_at);

CREATE TABLE replays (
    account_id  uuid NOT NULL,
    id          uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    body        text NOT NULL,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 50);
CREATE INDEX replays_by_endpoint ON replays (account_id, endpoint_id, id);

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
