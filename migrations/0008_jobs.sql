-- Work behind the scenes: a row is a job to be done, written with the event that causes it and
-- deleted in the transaction of its effect. `due_at` is when it may next be taken: a worker that
-- takes it moves it to the end of its lease.

create table job (
    id uuid primary key,
    name text not null,
    args jsonb not null,
    key text,
    attempts smallint not null default 0,
    due_at timestamptz not null,
    enqueued_at timestamptz not null,
    failed_at timestamptz, -- given up; `superapp jobs requeue` tries again
    error text,            -- the kind of the last error, never data
    constraint job_key unique (name, key)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
create index job_due on job (due_at) where failed_at is null;
create index job_failed on job (failed_at) where failed_at is not null;

grant select, insert, update, delete on job to superapp_app;
