INSERT INTO events (account_id, id, request_id, seq, at, link_seq, test, name, order_key, key, link_hash, data)
SELECT u.account_id, u.id, u.request_id, $12 + (SELECT pg_current_xact_id()::text::bigint << 20) + u.place, u.at,
       u.link_seq, u.test, u.name, u.order_key, u.key, u.link_hash, u.data
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::boolean[], $7::text[], $8::bytea[],
            $9::bytea[], $10::bytea[], $11::text[], $13::bigint[])
    AS u (account_id, id, request_id, at, link_seq, test, name, order_key, key, link_hash, data, place)
