CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT '130012' $$;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$
