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
