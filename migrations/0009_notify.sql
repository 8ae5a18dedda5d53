-- Jobs know whose turn it is; clocks are found by kind; messages, devices and what was pushed.

-- Moved by each taking of a job and by each enqueueing under its key: who took it before may not
-- delete it any more, so that nothing enqueued while it ran is lost.
alter table job add column turn integer not null default 0;

-- Read from its beginning to the last due row of a kind, also where many are due at one instant
-- (the end of a working day). Kinds without a reaction lie elsewhere and cost nothing.
drop index deadline_open;
create index deadline_open on deadline (kind, due_at, record)
    where met_at is null and fired_at is null;

-- An inbox for each account. The text is made from template and facts when it is read.
create table message (
    id uuid primary key,
    account uuid not null references account,
    template text not null,
    facts jsonb not null,
    about_kind text not null,
    about uuid not null,
    key text not null,
    sent_at timestamptz not null,
    read_at timestamptz,
    constraint message_once unique (account, key)
);
create index message_inbox on message (account, id);
create index message_unread on message (account, id) where read_at is null;

-- Where a session wants to be told at once. A token belongs to the app on one phone.
create table device (
    id uuid primary key,
    account uuid not null references account,
    session uuid not null references session,
    token text not null,
    language text not null,
    registered_at timestamptz not null,
    refreshed_at timestamptz not null,
    constraint device_token_once unique (token),
    constraint device_session_once unique (session),
    constraint device_language check (language in ('th', 'en'))
);
create index device_account on device (account);

-- To which devices a message went, so that trying again leaves those out.
create table pushed (
    message uuid not null references message,
    device uuid not null,
    at timestamptz not null,
    refused text, -- the push service's code, where it never will be taken
    constraint pushed_pkey primary key (message, device)
);
create index pushed_device on pushed (device);

grant select, insert on message to superapp_app;
grant update (read_at) on message to superapp_app;
grant select, insert, update, delete on device to superapp_app;
grant select, insert on pushed to superapp_app;
