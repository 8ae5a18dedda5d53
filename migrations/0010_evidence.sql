-- Evidence: uploads under way and their parts, originals that are written once, who owns them, and
-- what was found out about them. The bytes are objects in the storage; here are their keys.

create table upload (
    id uuid constraint upload_pkey primary key, -- the sender's, and later the evidence's
    account uuid not null references account,
    state text not null check (state in ('receiving', 'checking', 'refused')),
    size bigint not null check (size > 0),
    received bigint not null default 0,
    sha256 bytea not null check (length(sha256) = 32), -- as the sender claims
    parts uuid not null,                               -- which parts are its own; new after a refusal
    owner_kind text,
    owner uuid,
    item text,
    taken_at timestamptz,
    lat double precision,
    lng double precision,
    accuracy_m double precision,
    filename text not null default '',
    media_claimed text not null default '',
    flags jsonb not null default '[]',
    created_at timestamptz not null,
    expires_at timestamptz not null,
    constraint upload_received check (received between 0 and size),
    constraint upload_checking check (state <> 'checking' or received = size)
);
create index upload_account on upload (account);
create index upload_expires_at on upload (expires_at) where state <> 'checking';
create index upload_parts on upload (parts);

-- A row is written before its object, so that none is forgotten; `size` when it is stored.
create table upload_part (
    key text primary key,
    parts uuid not null,
    start bigint not null,
    size bigint,
    begun_at timestamptz not null
);
create index upload_part_parts on upload_part (parts, start);

create table evidence (
    id uuid constraint evidence_pkey primary key,
    account uuid not null references account,
    size bigint not null,
    sha256 bytea not null, -- of the stored bytes, computed from them
    media text not null,   -- by content
    key text not null constraint evidence_key unique,
    owner_kind text,       -- as the sender named it; who owns it is in evidence_claim
    owner uuid,
    item text,
    taken_at timestamptz,
    lat double precision,
    lng double precision,
    accuracy_m double precision,
    filename text not null,
    flags jsonb not null,
    receipt text not null,
    received_at timestamptz not null
);
create index evidence_account on evidence (account);
create index evidence_sha256 on evidence (sha256);
create index evidence_owner on evidence (owner, owner_kind);

create table evidence_claim (
    evidence uuid constraint evidence_claim_pkey primary key
        constraint evidence_claim_evidence references evidence,
    owner_kind text not null,
    owner uuid not null,
    item text,
    province text not null references province,
    company uuid references company,
    visible_to_company boolean not null,
    claimed_at timestamptz not null
);
create index evidence_claim_owner on evidence_claim (owner, owner_kind);
create index evidence_claim_province on evidence_claim (province);
create index evidence_claim_company on evidence_claim (company);

create table evidence_examined (
    evidence uuid constraint evidence_examined_pkey primary key
        constraint evidence_examined_evidence references evidence,
    width integer,
    height integer,
    exif_taken_at timestamptz,
    exif_lat double precision,
    exif_lng double precision,
    likeness bit(64),         -- a difference hash: like pictures differ in few bits
    likeness_bands integer[], -- its four quarters, each with its place: one is equal in like pictures
    thumbnail text,           -- keys of objects
    screen text,
    flags jsonb not null,
    examined_at timestamptz not null
);
create index evidence_examined_bands on evidence_examined using gin (likeness_bands);

grant select, insert, update, delete on upload, upload_part to superapp_app;
grant select, insert on evidence, evidence_examined to superapp_app;
grant select, insert on evidence_claim to superapp_app;
grant update (item, province, company, visible_to_company) on evidence_claim to superapp_app;
