-- Legal orders under the Factory Act B.E. 2535: s.37 (correct), s.39 (stop, resume, close); their
-- service (s.38), notices (s.40), appeal (s.41), and what the factory does about them.

create table legal_order (
    id uuid constraint legal_order_pkey primary key,
    kind text not null check (kind in ('correct', 'stop', 'resume', 'close')),
    state text not null check (state in (
        'draft', 'discarded', 'signed', 'served', 'overdue', 'breached', 'complied', 'superseded',
        'revoked', 'annulled')),
    basis text not null check (basis in ('breach', 'danger')),
    premises uuid not null constraint legal_order_premises references premises,
    licence uuid constraint legal_order_licence references licence,
    company uuid references company,
    province text not null references province,
    class smallint check (class between 1 and 3),
    office uuid not null references office,
    visit uuid constraint legal_order_visit references visit,
    follows uuid constraint legal_order_follows references legal_order,
    corrects uuid constraint legal_order_corrects references legal_order,
    content json not null,
    drafted_by uuid not null references account,
    drafted_at timestamptz not null,
    number text constraint legal_order_number unique,
    signed_by uuid references account,
    signed_at timestamptz,
    authority uuid references authority,
    authentication uuid, -- the fresh authentication over `content_hash`
    wet_ink uuid,        -- or the scan of an order signed on paper
    content_hash text check (content_hash ~ '^[0-9a-f]{64}$'),
    signed_content text, -- exactly the bytes that were shown and hashed
    served_at timestamptz,
    due_at timestamptz,
    appeal_until timestamptz,
    stay json,
    breach json,
    ended_at timestamptz,
    ended_why text,
    document uuid,
    data_key uuid not null references data_key,
    version integer not null default 1,
    constraint legal_order_signed check (state in ('draft', 'discarded') or (
        number is not null and signed_by is not null and signed_at is not null
        and authority is not null and content_hash is not null and signed_content is not null
        and num_nonnulls(authentication, wet_ink) = 1)),
    constraint legal_order_served check (
        state not in ('served', 'overdue', 'breached', 'complied') or served_at is not null)
);
create index legal_order_premises_on on legal_order (premises, id);
create index legal_order_licence_on on legal_order (licence, id) where licence is not null;
create index legal_order_company_on on legal_order (company, id) where company is not null;
create index legal_order_province_on on legal_order (province, id);
create index legal_order_office_on on legal_order (office);
create index legal_order_visit_on on legal_order (visit) where visit is not null;
create index legal_order_follows_on on legal_order (follows) where follows is not null;
create index legal_order_corrects_on on legal_order (corrects) where corrects is not null;
create index legal_order_drafted_by on legal_order (drafted_by);
create index legal_order_signed_by on legal_order (signed_by) where signed_by is not null;
create index legal_order_authority on legal_order (authority) where authority is not null;
create index legal_order_data_key on legal_order (data_key);

-- What each draft said, whole.
create table legal_order_version (
    legal_order uuid not null constraint legal_order_version_of references legal_order,
    version integer not null,
    content json not null,
    made_by uuid not null,
    made_at timestamptz not null,
    constraint legal_order_version_pkey primary key (legal_order, version)
);

-- The last number that an office gave in a Buddhist year. The row is locked until the commit, so
-- that there is no gap and no double.
create table order_number (
    office uuid not null references office,
    year integer not null check (year > 2500),
    last integer not null check (last > 0),
    constraint order_number_pkey primary key (office, year)
);

create table order_finding (
    legal_order uuid not null constraint order_finding_order references legal_order,
    finding uuid not null constraint order_finding_finding references finding,
    required text not null,
    verified_at timestamptz,
    verified_by uuid references account,
    verified_visit uuid references visit,
    corrected boolean,
    note text not null default '',
    constraint order_finding_pkey primary key (legal_order, finding)
);
create index order_finding_finding_on on order_finding (finding);
create index order_finding_verified_by on order_finding (verified_by)
    where verified_by is not null;
create index order_finding_verified_visit on order_finding (verified_visit)
    where verified_visit is not null;

-- Every attempt to serve an order, successful or not (s.38). `counts_at` is when it is or will be
-- deemed served, null where it failed.
create table service_attempt (
    id uuid constraint service_attempt_pkey primary key,
    legal_order uuid not null constraint service_attempt_order references legal_order,
    how text not null check (how in (
        'personal', 'refused', 'adult', 'posted', 'registered_post', 'not_found')),
    at timestamptz not null,
    received_at timestamptz not null,
    officer uuid not null references account,
    place text not null,
    position json,
    proof bytea,         -- sealed: it names who received or witnessed
    evidence uuid[] not null default '{}',
    flags json not null default '[]',
    counts_at timestamptz,
    counted_at timestamptz,
    hash bytea not null
);
create index service_attempt_order_on on service_attempt (legal_order, received_at);
create index service_attempt_officer on service_attempt (officer);
create index service_attempt_waiting on service_attempt (counts_at)
    where counts_at is not null and counted_at is null;

-- s.40: a stop or closure is posted in three places at the factory.
create table order_notice (
    id uuid constraint order_notice_pkey primary key,
    legal_order uuid not null constraint order_notice_order references legal_order,
    place text not null,
    posted_at timestamptz not null,
    officer uuid not null references account,
    evidence uuid[] not null default '{}'
);
create index order_notice_order_on on order_notice (legal_order);
create index order_notice_officer on order_notice (officer);

create table order_extension (
    legal_order uuid not null constraint order_extension_order references legal_order,
    number smallint not null,
    due_before timestamptz not null,
    due_after timestamptz not null,
    reason text not null,
    granted_by uuid not null references account,
    granted_at timestamptz not null,
    constraint order_extension_pkey primary key (legal_order, number),
    constraint order_extension_later check (due_after > due_before)
);
create index order_extension_granted_by on order_extension (granted_by);

-- The factory says that it has corrected.
create table correction_claim (
    id uuid constraint correction_claim_pkey primary key,
    legal_order uuid not null constraint correction_claim_order references legal_order,
    claimed_by uuid not null references account,
    claimed_at timestamptz not null,
    note text not null,
    evidence uuid[] not null default '{}'
);
create index correction_claim_order_on on correction_claim (legal_order);
create index correction_claim_by on correction_claim (claimed_by);

-- s.41.
create table appeal (
    legal_order uuid constraint appeal_pkey primary key
        constraint appeal_order references legal_order,
    filed_at timestamptz not null,
    filed_on date not null,
    late boolean not null,
    grounds text not null,
    recorded_by uuid not null references account,
    outcome text check (outcome in ('upheld', 'annulled')),
    decided_on date,
    decision text not null default '',
    decided_by uuid references account
);
create index appeal_recorded_by on appeal (recorded_by);
create index appeal_decided_by on appeal (decided_by) where decided_by is not null;

-- s.37 ¶2: machines tied and sealed.
create table sealing (
    id uuid constraint sealing_pkey primary key,
    legal_order uuid not null constraint sealing_order references legal_order,
    state text not null check (state in ('requested', 'approved', 'sealed', 'lifted', 'refused')),
    machines json not null,
    reason text not null,
    requested_by uuid not null references account,
    requested_at timestamptz not null,
    approved_by uuid references account,
    approved_at timestamptz,
    authority uuid references authority,
    sealed_by uuid references account,
    sealed_at timestamptz,
    seals json not null default '[]',
    evidence uuid[] not null default '{}',
    lifted_by uuid references account,
    lifted_at timestamptz,
    version integer not null default 1,
    constraint sealing_approved check (state not in ('approved', 'sealed', 'lifted')
        or (approved_by is not null and authority is not null))
);
create index sealing_order_on on sealing (legal_order);
create index sealing_requested_by on sealing (requested_by);
create index sealing_approved_by on sealing (approved_by) where approved_by is not null;
create index sealing_authority on sealing (authority) where authority is not null;
create index sealing_sealed_by on sealing (sealed_by) where sealed_by is not null;
create index sealing_lifted_by on sealing (lifted_by) where lifted_by is not null;

grant select, insert, update on legal_order, order_number, order_finding, service_attempt, appeal,
    sealing to superapp_app;
grant select, insert on legal_order_version, order_notice, order_extension, correction_claim
    to superapp_app;
