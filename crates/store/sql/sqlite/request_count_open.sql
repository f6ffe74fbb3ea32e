-- What lives at a vendor is not the account's to limit; of many, the newest are looked at.
SELECT count(*) FROM (
    SELECT body FROM requests
    WHERE account_id = ?1 AND status = 'sent' AND deleted_at IS NULL
    ORDER BY id DESC LIMIT ?2
) WHERE body ->> '$.origin' = 'native'
