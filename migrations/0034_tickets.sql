-- Why a ticket is void, as the flag of a reading says it that was made before.
alter table offline_ticket add column void_why text;
update offline_ticket set void_why = 'desk:ended' where void_at is not null;

-- The order in which devices moved on, of no clock: a server's may be wrong.
create sequence bridge_moves;
select setval('bridge_moves', 1);
grant usage, select on sequence bridge_moves to superapp_app;
alter table bridge add column moved bigint not null default 0;
alter table bridge drop column moved_at;
