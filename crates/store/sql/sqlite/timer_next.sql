SELECT min(due_at) FROM timers
