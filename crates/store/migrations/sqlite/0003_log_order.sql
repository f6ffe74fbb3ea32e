-- The log of one account in the order it was written: every entry of an index ends with the row's number, `seq`.
CREATE INDEX events_by_seq ON events (account_id);
