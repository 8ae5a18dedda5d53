-- Why a ticket is void, as the flag of a reading says it that was made before.
alter table offline_ticket add column void_why text;
update offline_ticket set void_why = 'desk:ended' where void_at is not null;

-- The order in which devices moved on, of no clock: a server's may be wrong.
create sequence bridge_moves;
select setval('bridge_moves', 1);
grant usage, select on sequence bridge_moves to superapp_app;
alter table bridge add column moved bigint not null default 0;
alter table bridge drop column moved_at;

-- A ticket is forgotten once its device can name it no more; the reading that came of it keeps its id.
-- `stated`: the end of a device's own chain as its last hello said it: what is beyond is still to come.
alter table bridge add column stated bigint not null default 0;
alter table reading drop constraint reading_ticket_fkey;
grant delete on offline_ticket to superapp_app;
