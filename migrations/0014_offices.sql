-- The administrator keeps the offices: local bodies come one by one as they are appointed (s.11/1),
-- and the provinces of an office may change.
grant insert, update on office to superapp_app;
grant insert, delete on office_province to superapp_app;
