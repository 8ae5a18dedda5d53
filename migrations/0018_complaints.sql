-- Complaints: what was told, who told it (apart, and sealed), who answers for it and by when.

-- What people complain about, and what they are asked: data that an administrator edits.
create table complaint_category (
    code text constraint complaint_category_pkey primary key check (code ~ '^[a-z][a-z_]{1,30}$'),
    version integer not null default 1,
    place smallint not null default 0, -- in the list that people choose from
    active boolean not null default true,
    content jsonb not null
);
create table complaint_category_version (
    category text not null references complaint_category,
    version integer not null,
    at timestamptz not null,
    account uuid references account, -- who; null for what came with the system
    content jsonb not null,
    constraint complaint_category_version_pkey primary key (category, version)
);
create index complaint_category_version_account on complaint_category_version (account)
    where account is not null;

-- Local government answers for classes 1 and 2 where, and while, it is appointed (s.11/1).
create table local_appointment (
    id uuid primary key,
    office uuid not null references office,
    province text not null references province,
    classes smallint[] not null check (classes <@ '{1,2}'),
    instrument text not null,
    valid_from date not null,
    valid_to date,
    constraint local_appointment_dates check (valid_to >= valid_from)
);
create index local_appointment_office on local_appointment (office);
create index local_appointment_province on local_appointment (province);

-- Which office a complaint goes to: the first rule that fits and leads to an office. Null: any.
create table complaint_route (
    id uuid primary key,
    priority integer not null,
    province text references province,
    category text references complaint_category,
    in_estate boolean,
    classes smallint[],
    emergency boolean,
    to_kind text check (to_kind in ('pio', 'diw', 'ieat', 'ministry', 'local')),
    to_office uuid references office,
    note text not null default '',
    version integer not null default 1,
    constraint complaint_route_target check (num_nonnulls(to_kind, to_office) = 1)
);
create index complaint_route_province on complaint_route (province) where province is not null;
create index complaint_route_category on complaint_route (category) where category is not null;
create index complaint_route_office on complaint_route (to_office) where to_office is not null;

create function complaint_office(
    of_province text, of_category text, estate boolean, class smallint, urgent boolean, today date
) returns uuid language sql stable as $$
    select found.id
    from complaint_route r
    cross join lateral (
        select o.id from office o
        where case when r.to_office is not null then o.id = r.to_office
            else o.kind = r.to_kind
                and (o.kind in ('diw', 'ieat', 'ministry') or exists (
                    select from office_province p
                    where p.office = o.id and p.province = of_province))
                and (o.kind <> 'local' or exists (
                    select from local_appointment a
                    where a.office = o.id and a.province = of_province and class = any (a.classes)
                        and today >= a.valid_from
                        and today <= coalesce(a.valid_to, 'infinity'::date))) end
        order by o.code limit 1
    ) found
    where (r.province is null or r.province = of_province)
        and (r.category is null or r.category = of_category)
        and (r.in_estate is null or r.in_estate = estate)
        and (r.classes is null or class = any (r.classes))
        and (r.emergency is null or r.emergency = urgent)
    order by r.priority, r.id limit 1
$$;

create sequence complaint_number; -- for people; it may have gaps

create table complaint (
    id uuid constraint complaint_pkey primary key, -- the sender's
    number bigint not null default nextval('complaint_number')
        constraint complaint_number_key unique,
    channel text not null check (channel in ('app', 'desk', 'phone', 'letter', 'open311')),
    category text not null constraint complaint_category references complaint_category,
    category_version integer not null,
    answers jsonb not null default '{}',
    description text not null,
    happened_at timestamptz, -- as claimed
    severity text not null check (severity in ('normal', 'urgent', 'emergency')),
    flags jsonb not null default '[]',
    -- where
    lat double precision check (lat between -90 and 90),
    lng double precision check (lng between -180 and 180),
    accuracy_m double precision,
    earth cube,
    address text not null default '',
    province text constraint complaint_province references province, -- null: nobody knows yet
    district text references district,
    -- whom it is about
    premises uuid constraint complaint_premises references premises,
    subject text not null default 'unknown'
        check (subject in ('unknown', 'named', 'confirmed', 'unregistered')),
    factory_named text not null default '',
    -- who answers for it
    office uuid references office,
    assigned uuid references account,
    forwarded_to text not null default '',
    -- how far it is
    state text not null check (state in (
        'submitted', 'accepted', 'assigned', 'in_progress', 'inspection_scheduled',
        'awaiting_info', 'order_issued', 'forwarded', 'resolved', 'closed', 'rejected',
        'duplicate', 'reopened', 'withdrawn')),
    outcome text check (outcome in (
        'substantiated', 'unsubstantiated', 'out_of_jurisdiction', 'unregistered_factory',
        'no_evidence')),
    decision text not null default '', -- the last one, in words for the complainant
    merged_into uuid references complaint,
    reopened integer not null default 0,
    callback boolean not null default false, -- they wait to be called
    left_at timestamptz, -- the complainant wants no more of it; the matter may go on
    resolved_at timestamptz,
    closed_at timestamptz,
    solved boolean, -- as the complainant says
    rating smallint check (rating between 1 and 5),
    -- clocks: see api/complaints/clocks.py
    clocks jsonb not null default '[]',
    next_due timestamptz, -- the nearest clock that runs
    paused_at timestamptz,
    -- what the public sees: nothing, until an officer releases words of their own
    released_at timestamptz,
    released_by uuid references account,
    released_text text,
    me_toos integer not null default 0,
    occurrences integer not null default 0,
    entered_by uuid references account, -- an officer, for the person at the desk or on the phone
    sent bytea not null, -- keyed hash of what was sent: a replay is told from another complaint
    received_at timestamptz not null,
    version integer not null default 1,
    constraint complaint_position check ((lat is null) = (lng is null) and (lat is null) = (earth is null)),
    constraint complaint_subject check (premises is not null or subject in ('unknown', 'named')),
    constraint complaint_duplicate check ((state = 'duplicate') = (merged_into is not null)),
    constraint complaint_not_into_itself check (merged_into <> id),
    constraint complaint_released check ((released_at is null) = (released_text is null))
) with (fillfactor = 80);
create index complaint_office_open on complaint (office, next_due, id)
    where state not in ('resolved', 'closed', 'rejected', 'duplicate', 'withdrawn');
create index complaint_province_open on complaint (province, next_due, id)
    where state not in ('resolved', 'closed', 'rejected', 'duplicate', 'withdrawn');
create index complaint_open on complaint (next_due, id)
    where state not in ('resolved', 'closed', 'rejected', 'duplicate', 'withdrawn');
create index complaint_province on complaint (province, id);
create index complaint_office on complaint (office, id);
create index complaint_assigned on complaint (assigned, id) where assigned is not null;
create index complaint_assigned_open on complaint (assigned, next_due, id)
    where assigned is not null
        and state not in ('resolved', 'closed', 'rejected', 'duplicate', 'withdrawn');
create index complaint_category_on on complaint (category);
create index complaint_district on complaint (district) where district is not null;
create index complaint_premises_on on complaint (premises, id) where premises is not null;
create index complaint_merged_into on complaint (merged_into) where merged_into is not null;
create index complaint_released_on on complaint (released_at) where released_at is not null;
create index complaint_released_by on complaint (released_by) where released_by is not null;
create index complaint_entered_by on complaint (entered_by) where entered_by is not null;

-- Who told it, or said "me too". Officers' statements do not read this table; see
-- api/complaints/identity.py for the only one that opens it.
create table complainant (
    id uuid primary key,
    complaint uuid not null references complaint,
    kind text not null check (kind in ('reporter', 'me_too')),
    account uuid references account,
    person bytea, -- keyed index of who they are: nobody counts twice
    secret bytea not null constraint complainant_secret unique, -- keyed index of the tracking code
    data_key uuid references data_key,
    identity bytea, -- sealed: name, phone, e-mail
    callback boolean not null default false,
    senders bytea[] not null default '{}', -- keyed indexes of account, device, network: to block them
    created_at timestamptz not null,
    constraint complainant_once unique (complaint, person),
    constraint complainant_sealed check ((identity is null) = (data_key is null))
);
create unique index complainant_reporter on complainant (complaint) where kind = 'reporter';
create index complainant_account on complainant (account, id) where account is not null;
create index complainant_data_key on complainant (data_key) where data_key is not null;

-- What was said since, by either side; only ever added.
create table complaint_entry (
    id uuid constraint complaint_entry_pkey primary key, -- the sender's
    complaint uuid not null references complaint,
    complainant uuid references complainant,
    account uuid references account, -- an officer
    kind text not null check (kind in (
        'addition', 'question', 'answer', 'message', 'note', 'occurrence', 'decision',
        'reopening', 'rating', 'call')),
    text text not null default '',
    facts jsonb not null default '{}',
    shown boolean not null, -- to the complainant
    at timestamptz, -- as claimed: when the smell came
    received_at timestamptz not null,
    constraint complaint_entry_author check (num_nonnulls(complainant, account) <= 1)
);
create index complaint_entry_complaint on complaint_entry (complaint, received_at);
create index complaint_entry_complainant on complaint_entry (complainant)
    where complainant is not null;
create index complaint_entry_account on complaint_entry (account) where account is not null;

create table complaint_visit (
    complaint uuid not null references complaint,
    visit uuid not null references visit,
    linked_at timestamptz not null,
    constraint complaint_visit_pkey primary key (complaint, visit)
);
create index complaint_visit_visit on complaint_visit (visit);

-- Programs of others: Open311 clients. The key is kept as a keyed index.
create table api_client (
    id uuid primary key,
    name text not null,
    key bytea not null constraint api_client_key unique,
    per_hour integer not null default 1000 check (per_hour > 0),
    created_at timestamptz not null,
    created_by uuid references account,
    ended_at timestamptz
);
create index api_client_created_by on api_client (created_by) where created_by is not null;

-- Senders from whom nothing is taken for a while: keyed indexes, never addresses.
create table complaint_block (
    sender bytea constraint complaint_block_pkey primary key,
    reason text not null,
    until timestamptz not null,
    account uuid references account,
    created_at timestamptz not null
);
create index complaint_block_account on complaint_block (account) where account is not null;

grant select, insert, update on complaint_category, complaint_route to superapp_app;
grant delete on complaint_route to superapp_app;
grant select, insert on complaint_category_version, complaint_entry, complaint_visit to superapp_app;
grant select, insert, update on local_appointment, complaint, complainant, api_client to superapp_app;
grant select, insert, update, delete on complaint_block to superapp_app;
grant usage on sequence complaint_number to superapp_app;
grant execute on function complaint_office to superapp_app;
