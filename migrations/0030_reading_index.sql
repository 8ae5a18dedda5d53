-- What an officer's session lists, what came last first: its own readings, and those by ticket. Readings
-- of an account's other sessions, which may be years of work, are not looked at.
create index reading_of_session on reading (session, received_at, id) where session is not null;
create index reading_by_ticket on reading (account, received_at, id) where session is null;
drop index reading_session;
-- Nothing goes by an account's readings in the order of their ids any more.
drop index reading_account;
