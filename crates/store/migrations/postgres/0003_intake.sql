-- Intake: the endpoints that read what comes in, and the timers of mirrors.
ALTER TABLE endpoints DROP CONSTRAINT endpoints_scope_check,
    ADD CONSTRAINT endpoints_scope_check CHECK (scope IN ('registered', 'callback', 'notices', 'intake'));
ALTER TABLE timers DROP CONSTRAINT timers_kind_check,
    ADD CONSTRAINT timers_kind_check CHECK (kind IN ('expiry', 'reminder', 'probe', 'sweep', 'replay', 'silence'));
