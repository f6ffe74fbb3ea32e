-- Every entry of every chain, with what its digest covers.
SELECT t.account_id, t.request_id, t.seq, t.what, t.id, t.at, t.digest, t.hash, t.delivery_id, t.number::bigint,
       e.name, e.data, e.link_seq, e.link_hash, a.url, a.body_digest, a.remote, a.outcome
FROM timeline t
LEFT JOIN events e ON t.what = 'event' AND e.account_id = t.account_id AND e.id = t.id
LEFT JOIN attempts a ON t.what = 'attempt' AND a.account_id = t.account_id AND a.delivery_id = t.delivery_id
                    AND a.number = t.number
ORDER BY t.account_id, t.request_id, t.seq
