SELECT e.id, d.id, d.state FROM events e JOIN deliveries d ON d.event_id = e.id ORDER BY 1, 2
