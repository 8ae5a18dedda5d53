-- A list of an account's readings goes by when they came: `reading_account_received` is enough.
drop index reading_account;
