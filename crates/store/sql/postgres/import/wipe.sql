TRUNCATE accounts, keys, requests, links, contacts, endpoints, events, deliveries, attempts, timeline, timers, replays,
         replies, queue, failures, heads, editions, settings, notices
