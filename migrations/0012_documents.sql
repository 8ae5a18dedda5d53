-- Documents: signed content that never changes, what became of it, and its PDF in the store. Each
-- row carries a signature of the keyring's, so that a row changed past the server is noticed.

create table document (
    id uuid primary key,
    kind text not null check (kind in ('visit_record', 'order', 'case_file')),
    subject uuid not null,
    province text not null references province,
    company uuid references company,
    language text not null check (language in ('th', 'en')),
    code text not null constraint document_code unique check (code ~ '^[0-9A-HJKMNP-TV-Z]{16}$'),
    issued_at timestamptz not null,
    supersedes uuid references document,
    data_key uuid not null references data_key,
    content bytea not null, -- the canonical envelope, sealed: it names people
    hash bytea not null check (octet_length(hash) = 32),
    jws text not null
);
alter table document alter column content set storage external;
create index document_subject on document (subject, id);
create index document_province on document (province, id);
create index document_company on document (company, id) where company is not null;
create index document_supersedes on document (supersedes) where supersedes is not null;
create index document_data_key on document (data_key);

create table document_force (
    document uuid not null references document,
    n integer not null check (n > 0),
    force text not null check (force in (
        'in_force', 'stayed', 'corrected', 'superseded', 'revoked', 'annulled', 'fulfilled')),
    at timestamptz not null,
    because text not null default '', -- the verb behind it, never data
    jws text not null,
    constraint document_force_pkey primary key (document, n)
);

create table document_file (
    document uuid constraint document_file_pkey primary key references document,
    object text not null,
    sha256 bytea not null check (octet_length(sha256) = 32),
    size bigint not null,
    rendered_at timestamptz not null,
    jws text not null
);

grant select, insert on document, document_force, document_file to superapp_app;
