-- What an officer's session lists: its own by `reading_session`, and what came by ticket by this. That
-- of an account's other sessions, which may be years of work, is not looked at.
create index reading_by_ticket on reading (account) where session is null;
-- Nothing goes by an account's readings in the order of their ids any more.
drop index reading_account;
