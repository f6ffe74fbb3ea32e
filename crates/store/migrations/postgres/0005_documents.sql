-- The timers of documents.
ALTER TABLE timers DROP CONSTRAINT timers_kind_check,
    ADD CONSTRAINT timers_kind_check CHECK (kind IN ('expiry', 'reminder', 'probe', 'sweep', 'replay', 'silence', 'packet', 'document'));
