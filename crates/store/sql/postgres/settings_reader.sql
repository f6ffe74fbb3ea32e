SET default_transaction_read_only = on;
SET statement_timeout = '10s';
SET idle_in_transaction_session_timeout = '10s';
SET jit = off;
