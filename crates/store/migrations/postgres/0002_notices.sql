-- Notices: deliveries whose cause is one, the endpoints that carry them, reminders.
ALTER TABLE endpoints DROP CONSTRAINT endpoints_scope_check,
    ADD CONSTRAINT endpoints_scope_check CHECK (scope IN ('registered', 'callback', 'notices'));
ALTER TABLE deliveries DROP CONSTRAINT deliveries_cause_check,
    ADD CONSTRAINT deliveries_cause_check CHECK (cause IN ('event', 'replay', 'notice', 'test', 'probe'));
ALTER TABLE timers DROP CONSTRAINT timers_kind_check,
    ADD CONSTRAINT timers_kind_check CHECK (kind IN ('expiry', 'reminder', 'probe', 'sweep', 'replay'));

CREATE TABLE settings (
    account_id uuid   NOT NULL,
    version    bigint NOT NULL CHECK (version > 0),
    kind       text   COLLATE "C" NOT NULL,
    name       text   COLLATE "C" NOT NULL,
    body       text   NOT NULL,
    sealed     bytea,
    PRIMARY KEY (account_id, kind, name)
);

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
