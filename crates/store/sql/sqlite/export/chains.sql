-- Every entry of every chain, with what its digest covers.
SELECT t.account_id, t.request_id, t.seq, t.what, t.id, t.at, t.digest, t.hash, t.delivery_id, t.number,
       e.name, e.data, e.link_seq, e.link_hash, coalesce(a.url, d.first_url), coalesce(a.body_digest, d.first_body_digest),
       coalesce(a.remote, d.first_remote), coalesce(a.outcome, d.first_outcome)
FROM timeline t
LEFT JOIN events e ON t.what = 'event' AND e.account_id = t.account_id AND e.id = t.id
LEFT JOIN deliveries d ON t.what = 'attempt' AND t.number = 1 AND d.account_id = t.account_id AND d.id = t.delivery_id
LEFT JOIN attempts a ON t.what = 'attempt' AND a.account_id = t.account_id AND a.delivery_id = t.delivery_id
                    AND a.number = t.number
ORDER BY t.account_id, t.request_id, t.seq
