-- Inspection: published checklists, visits of premises, answers as immutable versions, findings;
-- and the operations that phones sent.

create table checklist (
    id uuid primary key,
    number integer not null constraint checklist_number unique check (number > 0),
    content jsonb not null,
    content_hash text not null,
    published_at timestamptz not null,
    published_by uuid references account,
    note text not null default ''
);
create index checklist_published_by on checklist (published_by);

create table visit (
    id uuid constraint visit_pkey primary key,
    -- The visit's id for its factory: drawn by lot, because a UUIDv7 tells when it was planned.
    shown_as uuid not null constraint visit_shown_as unique default gen_random_uuid(),
    premises uuid not null constraint visit_premises references premises,
    licence uuid constraint visit_licence references licence,
    company uuid references company,
    province text not null references province,
    class smallint check (class between 1 and 3),
    checklist uuid not null references checklist,
    state text not null check (state in (
        'planned', 'under_way', 'submitted', 'in_review', 'returned', 'accepted', 'closed',
        'cancelled')),
    reason text not null check (reason in (
        'routine', 'complaint', 'follow_up', 'accident', 'not_reporting')),
    announced boolean not null default false,
    planned_on date,
    note text not null default '',
    follows uuid references visit,
    lead uuid not null constraint visit_lead references account,
    team uuid[] not null,
    subject jsonb not null,
    working_hours jsonb,
    started_at timestamptz,
    started jsonb,
    outcome text check (outcome in (
        'inspected', 'partly', 'refused_entry', 'closed', 'not_found', 'moved', 'unsafe')),
    ended_at timestamptz,
    representative text check (representative in ('signed', 'refused', 'absent')),
    representative_name bytea,
    submitted_at timestamptz,
    submitted_by uuid references account,
    reviewed_by uuid references account,
    review_note text not null default '',
    returned_items text[] not null default '{}',
    accepted_at timestamptz,
    flags jsonb not null default '[]',
    data_key uuid not null references data_key,
    entries integer not null default 0,
    version integer not null default 1,
    created_at timestamptz not null,
    created_by uuid references account,
    constraint visit_lead_on_team check (lead = any (team)),
    constraint visit_started check (state = 'planned' or state = 'cancelled'
        or started_at is not null),
    constraint visit_accepted check (state not in ('accepted', 'closed')
        or accepted_at is not null)
) with (fillfactor = 60); -- room for its updates on the same page, which then touch no index
create index visit_premises_on on visit (premises, id);
create index visit_licence_on on visit (licence) where licence is not null;
create index visit_company_on on visit (company, id) where company is not null;
create index visit_province_on on visit (province, id);
create index visit_checklist_on on visit (checklist);
create index visit_follows_on on visit (follows) where follows is not null;
create index visit_lead_on on visit (lead);
create index visit_team_on on visit using gin (team);
create index visit_submitted_by_on on visit (submitted_by) where submitted_by is not null;
create index visit_reviewed_by_on on visit (reviewed_by) where reviewed_by is not null;
create index visit_created_by_on on visit (created_by);
create index visit_data_key on visit (data_key);

-- What one operation noted: its answers as immutable versions, whole as they came together. The
-- current answers are a function of all of them (api/inspection/visits/merge.py). The server can
-- only add. Why a row is an operation and not an answer: docs/adr/0011.
create table entry (
    visit uuid not null constraint entry_visit references visit,
    operation uuid not null,
    author uuid not null,
    received_at timestamptz not null,
    answers jsonb not null check (jsonb_typeof(answers) = 'array'),
    constraint entry_pkey primary key (visit, operation)
);
alter table entry alter column answers set storage external;

-- Every version of every answer, for statistics and whoever looks by hand.
create view answer as
select e.visit, a.item, e.operation, e.author, a.answered_at, e.received_at, a.value, a.outcome,
    coalesce(a.supersedes, '{}') as supersedes, a.note, a.reason, a.licence, a.flags
from entry e cross join lateral jsonb_to_recordset(e.answers) as a(item text, outcome text,
    value jsonb, answered_at timestamptz, supersedes uuid[], note text, reason text,
    licence uuid, flags jsonb);

-- Remarks on a visit as a whole; like answers, only ever added.
create table visit_note (
    visit uuid not null constraint visit_note_visit references visit,
    operation uuid not null,
    author uuid not null,
    received_at timestamptz not null,
    text text not null,
    constraint visit_note_pkey primary key (visit, operation)
);

create table finding (
    id uuid primary key,
    visit uuid not null references visit,
    item text not null,
    premises uuid not null references premises,
    licence uuid references licence,
    company uuid references company,
    province text not null,
    state text not null check (state in ('needs_confirmation', 'open', 'withdrawn', 'resolved')),
    severity text not null check (severity in ('minor', 'major', 'critical')),
    critical boolean not null,
    confidential boolean not null default false,
    in_conflict boolean not null default false,
    legal_ref text not null,
    ref_status text not null check (ref_status in ('act_text', 'instrument_found', 'recalled')),
    basis text not null default 'law',
    limit_id text,
    penalty text not null default '',
    facts jsonb not null default '{}',
    created_at timestamptz not null,
    confirmed_by uuid references account,
    confirmed_at timestamptz,
    version integer not null default 1,
    constraint finding_of_item unique (visit, item)
);
create index finding_premises on finding (premises) where state in ('needs_confirmation', 'open');
create index finding_premises_all on finding (premises);
create index finding_licence on finding (licence) where licence is not null;
create index finding_company on finding (company) where company is not null;
create index finding_confirmed_by on finding (confirmed_by) where confirmed_by is not null;

-- What phones sent: the identity of a field write. Raw bytes are sealed, not compressed again.
create table operation (
    id uuid constraint operation_pkey primary key,
    kind text not null,
    record uuid not null,
    account uuid not null constraint operation_account references account,
    session uuid not null,
    received_at timestamptz not null,
    hash bytea not null,
    result jsonb not null,
    receipt text not null,
    raw bytea not null
);
alter table operation alter column raw set storage external;
create index operation_account_on on operation (account, received_at, id);

-- Refused operations are kept for support: the phone may mend and send the same id again.
create table refused_operation (
    refused uuid primary key,
    operation uuid,
    account uuid not null references account,
    received_at timestamptz not null,
    problem text not null,
    raw bytea not null
);
create index refused_operation_account on refused_operation (account, received_at);
create index refused_operation_of on refused_operation (operation);

grant select, insert on checklist, entry, visit_note, operation, refused_operation to superapp_app;
grant select, insert, update on visit, finding to superapp_app;
grant select on answer to superapp_app;
