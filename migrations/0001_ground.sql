-- The ground: who the server is, what happened, what changed, limits, days, deadlines, places.

do $$
begin
    if not exists (select from pg_roles where rolname = 'superapp_app') then
        create role superapp_app nologin;
    end if;
exception when duplicate_object or unique_violation then
    null; -- another data base of this cluster made it at the same moment
end
$$;
grant superapp_app to current_user;
grant usage on schema public to superapp_app;
do $$
begin
    -- How far a long writer of another role holds the phones' feed back (readiness, /metrics).
    grant pg_read_all_stats to superapp_app;
exception when insufficient_privilege then
    raise notice 'pg_read_all_stats cannot be granted: the feed lag shows own sessions only';
end
$$;

create extension if not exists pg_trgm;
create extension if not exists btree_gist;
create extension if not exists cube;

-- The audit trail. Append-only: the server's role can neither change nor delete.
create table event (
    id uuid primary key,
    at timestamptz not null,
    name text not null check (name ~ '^[a-z_]+\.[a-z_]+$'),
    kind text not null,
    record uuid not null,
    actor text not null,
    account uuid,
    session uuid,
    request_id text not null default '',
    facts jsonb not null default '{}'
);
create index event_record on event (record, id);
create index event_account on event (account, id) where account is not null;
create index event_name on event (name, id);

-- What phones pull: one row for each record and scope, moved by every write.
create sequence change_seq;
create table change (
    scope text not null,
    kind text not null,
    record uuid not null,
    xid xid8 not null,
    seq bigint not null,
    gone boolean not null default false,
    constraint change_pkey primary key (scope, kind, record)
);
create index change_feed on change (scope, xid, seq);

-- The line of transaction ids that `change` counts in: cluster, data base, timeline. A restored dump
-- has another, in which its rows would lie in the future; the server then moves them (api/sync).
create table feed_line (
    one boolean primary key default true check (one),
    epoch text not null
);
insert into feed_line (epoch)
select concat_ws('.', system_identifier,
    (select oid from pg_database where datname = current_database()),
    left(pg_walfile_name(pg_current_wal_lsn()), 8))
from pg_control_system();

create table rate_limit (
    bucket text primary key,
    tokens double precision not null,
    at timestamptz not null
);
create index rate_limit_at on rate_limit (at);

create table special_day (
    day date primary key,
    working boolean not null,
    name_th text not null,
    name_en text not null default '',
    declared_at timestamptz not null default now()
);

-- Every clock of the house, scanned by due time.
create table deadline (
    kind text not null,
    record uuid not null,
    due_at timestamptz not null,
    set_at timestamptz not null,
    met_at timestamptz,
    fired_at timestamptz,
    facts jsonb not null default '{}',
    constraint deadline_pkey primary key (kind, record)
);
create index deadline_open on deadline (due_at) where met_at is null and fired_at is null;

create table province (
    code text primary key check (code ~ '^[0-9]{2}$'),
    name_th text not null,
    name_en text not null
);
create table district (
    code text primary key check (code ~ '^[0-9]{4}$'),
    province text not null references province,
    name_th text not null,
    name_en text not null
);
create index district_province on district (province);
create table subdistrict (
    code text primary key check (code ~ '^[0-9]{6}$'),
    district text not null references district,
    name_th text not null,
    name_en text not null,
    postal_code text
);
create index subdistrict_district on subdistrict (district);

grant select, insert on event to superapp_app;
grant select, insert, update, delete on change, rate_limit to superapp_app;
grant select, insert, update on deadline to superapp_app;
grant select, insert, update, delete on special_day to superapp_app;
grant select on province, district, subdistrict to superapp_app;
grant select, update on feed_line to superapp_app;
grant usage on sequence change_seq to superapp_app;
