-- Drawn signatures, and samples with their chains of custody: rows are only ever added.

create table visit_signature (
    operation uuid constraint visit_signature_pkey primary key,
    visit uuid not null references visit,
    who text not null check (who in ('inspector', 'representative', 'refused')),
    officer uuid references account, -- whose it is, where it is an inspector's
    evidence uuid,                   -- the drawn image; it may still be on its way
    said bytea,                      -- sealed: name, capacity, why it was refused
    author uuid not null references account,
    signed_at timestamptz,
    received_at timestamptz not null,
    late boolean not null,           -- came after the visit's end: counts for nothing
    flags jsonb not null
);
create index visit_signature_visit on visit_signature (visit);
create index visit_signature_officer on visit_signature (officer) where officer is not null;
create index visit_signature_author on visit_signature (author);
create index visit_signature_evidence on visit_signature (evidence) where evidence is not null;

-- What proves a service may be a signature: which file it is may be known without opening the seal.
alter table service_attempt add column proof_evidence uuid;

grant select, insert on visit_signature to superapp_app;

-- What was taken under s.35(2). Its id is that of the operation that took it.
create table sample (
    id uuid constraint sample_pkey primary key,
    visit uuid not null references visit,
    items text[] not null,
    number text not null,
    what text not null,
    place text not null,
    seal text not null,
    taken_by uuid references account,
    taken_at timestamptz,
    author uuid not null references account,
    received_at timestamptz not null,
    position json,
    photographs uuid[] not null,     -- evidence; it may still be on its way
    note text not null,
    late boolean not null,
    flags jsonb not null
);
create index sample_visit on sample (visit);
create index sample_taken_by on sample (taken_by) where taken_by is not null;
create index sample_author on sample (author);
create index sample_photographs on sample using gin (photographs);

-- Its way from hand to hand, in the order in which the links became known.
create table sample_handover (
    id uuid constraint sample_handover_pkey primary key,
    sample uuid not null references sample,
    n integer not null check (n > 0),
    giver text not null,
    receiver text not null,
    people bytea,                    -- sealed: who gave and who took it
    handed_at timestamptz not null,
    received_at timestamptz not null,
    officer uuid not null references account,
    condition text not null,
    seal_intact boolean,
    evidence uuid[] not null,
    flags jsonb not null,
    hash bytea not null,
    constraint sample_handover_n unique (sample, n)
);
create index sample_handover_officer on sample_handover (officer);

-- What a laboratory reported, beside the answer that it became.
create table laboratory_result (
    operation uuid constraint laboratory_result_pkey primary key,
    visit uuid not null references visit,
    item text not null,
    number text not null,            -- of the sample, as the awaiting answer named it
    laboratory text not null,
    report_no text not null,
    reported_at timestamptz,
    received_at timestamptz not null
);
create index laboratory_result_visit on laboratory_result (visit);

grant select, insert on sample, sample_handover, laboratory_result to superapp_app;
