-- The row's values are one line, so that the same statement can be made for many rows. What breaks a rule FAILs: an ABORT
-- would keep a copy of all that a statement for many changes.
INSERT OR FAIL INTO events (account_id, id, name, at, request_id, order_key, key, test, data, link_seq, link_hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
