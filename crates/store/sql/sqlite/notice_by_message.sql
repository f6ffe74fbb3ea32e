SELECT body, version FROM notices INDEXED BY notices_by_message WHERE account_id = ?1 AND message_id = ?2
ORDER BY id DESC LIMIT 1
