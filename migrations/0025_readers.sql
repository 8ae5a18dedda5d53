-- Card readers at the counters: bridges and their enrolment, desks, intents, readings.

-- A desk PC with the bridge program. `sequence` and `head` are the end of its chain of statements.
create table bridge (
    id uuid primary key,
    office uuid not null references office,
    name text not null,
    state text not null default 'active' check (state in ('active', 'frozen', 'revoked')),
    public_key bytea not null constraint bridge_key_once unique,
    key_protection text not null check (key_protection in ('os-key-store', 'file')),
    platform text not null,
    software text not null,
    approved_at timestamptz not null,
    approved_by uuid not null references account,
    starts bigint not null default 0,
    boot uuid,
    sequence bigint not null default 0,
    head bytea not null,
    moved_at timestamptz, -- when a start, a statement or a key of its was last taken
    key_since timestamptz not null,
    last_seen_at timestamptz,
    connected_to uuid, -- a server process; a hint, for whoever looks
    ended_at timestamptz,
    ended_why text not null default '',
    version integer not null default 1,
    constraint bridge_ended check ((ended_at is null) = (state = 'active'))
);
create index bridge_office on bridge (office, id);
create index bridge_approved_by on bridge (approved_by);

-- RFC 8628: a device asks, a person with the right approves. Codes are keyed hashes.
create table bridge_enrolment (
    id uuid primary key,
    device_code bytea not null constraint bridge_enrolment_device_code unique,
    user_code bytea not null constraint bridge_enrolment_user_code unique,
    state text not null default 'pending'
        check (state in ('pending', 'approved', 'refused', 'locked', 'expired')),
    public_key bytea not null,
    name text not null,
    platform text not null,
    software text not null,
    key_protection text not null check (key_protection in ('os-key-store', 'file')),
    network text not null, -- from where it was asked: the approver looks at it
    tries integer not null default 0,
    polled_at timestamptz,
    asked_at timestamptz not null,
    expires_at timestamptz not null,
    bridge uuid references bridge
);
create index bridge_enrolment_bridge on bridge_enrolment (bridge) where bridge is not null;
create index bridge_enrolment_expires on bridge_enrolment (expires_at);

-- A reader as PC/SC names it at one bridge. `seen` is false while it is away.
create table bridge_reader (
    id uuid primary key,
    bridge uuid not null references bridge,
    name text not null,
    serial text,
    model text,
    seen boolean not null default true,
    last_seen_at timestamptz not null,
    constraint bridge_reader_once unique (bridge, name)
);
create index bridge_reader_serial on bridge_reader (serial) where serial is not null;

create table desk (
    id uuid constraint desk_pkey primary key, -- the sender's
    office uuid not null references office,
    name text not null,
    reader uuid references bridge_reader constraint desk_reader_once unique,
    mapped_at timestamptz,
    mapped_by uuid references account,
    version integer not null default 1,
    ended_at timestamptz,
    constraint desk_mapped check (num_nonnulls(reader, mapped_at, mapped_by) in (0, 3))
);
create unique index desk_name_once on desk (office, name) where ended_at is null;
create index desk_office on desk (office, id);
create index desk_mapped_by on desk (mapped_by) where mapped_by is not null;

-- A signed-in session waits for a card in one reader; to map a desk, in any reader of one bridge.
create table intent (
    id uuid constraint intent_pkey primary key, -- the sender's
    session uuid not null references session,
    account uuid not null references account,
    office uuid not null references office,
    desk uuid not null references desk,
    bridge uuid not null references bridge,
    reader uuid references bridge_reader,
    purpose text not null check (purpose in (
        'identify_complainant', 'serve_order', 'bind_account', 'confirm_officer', 'map_desk')),
    about uuid,
    fields text[] not null,
    photo boolean not null,
    nonce bytea not null constraint intent_nonce_once unique,
    state text not null default 'armed'
        check (state in ('armed', 'delivered', 'cancelled', 'expired')),
    step text not null default 'armed' check (step in (
        'armed', 'take_card_out', 'waiting', 'reading', 'sending', 'photo')),
    fault text,
    done integer not null default 0,
    total integer not null default 0,
    armed_at timestamptz not null,
    expires_at timestamptz not null,
    moved_at timestamptz not null,
    version integer not null default 1
);
create unique index intent_reader_free on intent (reader) where state = 'armed';
create unique index intent_mapping_free on intent (bridge)
    where state = 'armed' and reader is null;
create index intent_moved on intent (moved_at);
create index intent_due on intent (expires_at) where state = 'armed';
create index intent_session on intent (session);
create index intent_account on intent (account);
create index intent_office on intent (office);
create index intent_desk on intent (desk);
create index intent_bridge on intent (bridge, state);
create index intent_reader on intent (reader) where reader is not null;

-- Leave to read without the server: of one officer, for one device, for one card.
create table offline_ticket (
    id uuid primary key,
    bridge uuid not null references bridge,
    desk uuid not null references desk,
    reader uuid not null references bridge_reader, -- on the desk when it was given
    account uuid not null references account,
    purpose text not null check (purpose in (
        'identify_complainant', 'serve_order', 'bind_account', 'confirm_officer', 'map_desk')),
    about uuid,
    fields text[] not null,
    nonce bytea not null constraint offline_ticket_nonce_once unique,
    issued_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    void_at timestamptz
);
create index offline_ticket_bridge on offline_ticket (bridge)
    where used_at is null and void_at is null;
create index offline_ticket_void on offline_ticket (void_at) where void_at is not null;
create index offline_ticket_bridges on offline_ticket (bridge);
create index offline_ticket_issued on offline_ticket (issued_at);
create index offline_ticket_desk on offline_ticket (desk);
create index offline_ticket_reader on offline_ticket (reader);
create index offline_ticket_account on offline_ticket (account);

-- What was read, or seen. `statement` and `cid` are sealed under the reading's own key, `passing`
-- too: what the session may see for some minutes.
create table reading (
    id uuid constraint reading_pkey primary key,
    label text not null check (label in ('online', 'offline', 'seen')),
    purpose text not null check (purpose in (
        'identify_complainant', 'serve_order', 'bind_account', 'confirm_officer', 'map_desk')),
    about uuid,
    levels text[] not null,
    flags text[] not null default '{}',
    session uuid references session, -- none for one that came offline
    account uuid not null references account,
    office uuid not null references office,
    desk uuid references desk,
    bridge uuid references bridge,
    reader uuid references bridge_reader,
    intent uuid references intent constraint reading_intent_once unique,
    ticket uuid references offline_ticket constraint reading_ticket_once unique,
    sequence bigint,
    inserted_at timestamptz, -- the device's claims
    read_at timestamptz not null,
    received_at timestamptz not null,
    data_key uuid references data_key,
    cid_index bytea,
    chip_index bytea,
    cid bytea,
    statement bytea,
    passing bytea,
    passing_until timestamptz,
    photo_sha256 bytea, -- keyed: what was shown, without having it
    used_for text,
    used_by uuid,
    used_at timestamptz,
    keep_until timestamptz not null,
    erased_at timestamptz,
    constraint reading_used check (num_nonnulls(used_for, used_by, used_at) in (0, 3)),
    constraint reading_source check ((label = 'seen') = (bridge is null))
);
create index reading_session on reading (session) where session is not null;
create index reading_account on reading (account, id);
create index reading_office on reading (office, id);
create index reading_desk on reading (desk) where desk is not null;
create index reading_bridge on reading (bridge, sequence) where bridge is not null;
create index reading_reader on reading (reader) where reader is not null;
create index reading_data_key on reading (data_key) where data_key is not null;
create index reading_cid on reading (cid_index, received_at) where cid_index is not null;
create index reading_passing on reading (passing_until) where passing_until is not null;
create index reading_keep on reading (keep_until) where erased_at is null;

-- Every signed statement of a device, taken or refused: the chain. Only ever added to.
create table bridge_statement (
    bridge uuid not null references bridge,
    sequence bigint not null,
    hash bytea not null,
    reading uuid references reading deferrable initially deferred,
    refused text,
    received_at timestamptz not null,
    constraint bridge_statement_pkey primary key (bridge, sequence),
    constraint bridge_statement_outcome check (num_nonnulls(reading, refused) = 1)
);
create index bridge_statement_reading on bridge_statement (reading) where reading is not null;

-- What should not happen, for whoever looks after the fleet.
create table bridge_incident (
    id uuid primary key,
    bridge uuid not null references bridge,
    kind text not null check (kind in ('fork', 'rollback', 'replay', 'foreign')),
    facts jsonb not null,
    at timestamptz not null,
    looked_at timestamptz,
    looked_by uuid references account,
    note text not null default ''
);
create index bridge_incident_bridge on bridge_incident (bridge, id);
create index bridge_incident_at on bridge_incident (at);
create index bridge_incident_looked_by on bridge_incident (looked_by) where looked_by is not null;

grant select, insert, update on
    bridge, bridge_enrolment, bridge_reader, desk, intent, offline_ticket, reading, bridge_incident
    to superapp_app;
grant delete on bridge_enrolment, bridge_reader to superapp_app;
grant select, insert on bridge_statement to superapp_app;
