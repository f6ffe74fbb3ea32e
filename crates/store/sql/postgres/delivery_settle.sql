UPDATE deliveries d SET state = u.state, ended_at = u.ended_at, why = u.why, attempts = u.attempts
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::int[], $7::int[])
    AS u (account_id, id, state, ended_at, why, attempts, before)
WHERE d.account_id = u.account_id AND d.id = u.id AND d.state = 'pending' AND d.attempts = u.before
