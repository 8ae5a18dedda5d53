-- What nobody needs any more of the readers goes; lists of what nobody has looked at stay quick.

-- A bridge's cancelled intents are told to it until they would have run out.
drop index intent_bridge;
create index intent_bridge on intent (bridge, state, expires_at);

-- An intent is forgotten after a while; the reading that came of it stays, and keeps its id.
alter table reading drop constraint reading_intent_fkey;
grant delete on intent to superapp_app;

-- Statements are only ever added to; what is old enough may be forgotten, and by nobody sooner,
-- whatever the server says. They lie in the order of their time.
create index bridge_statement_at on bridge_statement using brin (received_at)
    with (pages_per_range = 32);
create function forget_statements(before timestamptz, at_most integer) returns bigint
    language sql security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (
        delete from public.bridge_statement where ctid = any (array(
            select s.ctid from public.bridge_statement s
            where s.received_at < least(before, now() - interval '90 days') limit at_most))
        returning 1)
    select count(*) from gone
$$;
revoke all on function forget_statements from public;
grant execute on function forget_statements to superapp_app;

-- A server that was put back to an older state lacks what devices have receipts for.
alter table bridge_incident drop constraint bridge_incident_kind_check;
alter table bridge_incident add constraint bridge_incident_kind_check
    check (kind in ('fork', 'rollback', 'replay', 'foreign', 'gap'));
create index bridge_incident_unlooked on bridge_incident (id) where looked_at is null;
