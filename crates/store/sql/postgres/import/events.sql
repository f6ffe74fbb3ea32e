-- The place of an event in the log is its place in the file; $12 of them have gone before.
INSERT INTO events (account_id, id, name, at, request_id, order_key, key, test, data, link_seq, link_hash, seq)
SELECT u.account_id, u.id, u.name, u.at, u.request_id, u.order_key, u.key, u.test, u.data, u.link_seq, u.link_hash,
       $12::bigint + u.place
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::bytea[], $7::bytea[],
            $8::boolean[], $9::text[], $10::bigint[], $11::bytea[]) WITH ORDINALITY
    AS u (account_id, id, name, at, request_id, order_key, key, test, data, link_seq, link_hash, place)
