-- Why a ticket is void, as the flag of a reading says it that was made before.
alter table offline_ticket add column void_why text;
update offline_ticket set void_why = 'desk:ended' where void_at is not null;
