-- What whoever told a complaint brings: photographs and recordings without an account, occurrences,
-- and others who say "me too".

-- A file is an account's, or that of the complainant of one complaint, of whom no account is kept
-- with it.
alter table upload
    alter column account drop not null,
    add column complainant uuid references complainant,
    add constraint upload_uploader check (num_nonnulls(account, complainant) = 1);
create index upload_complainant on upload (complainant) where complainant is not null;
alter table evidence
    alter column account drop not null,
    add column complainant uuid references complainant,
    add constraint evidence_uploader check (num_nonnulls(account, complainant) = 1);
create index evidence_complainant on evidence (complainant) where complainant is not null;

-- A complaint's id is its sender's and tells, as a UUIDv7, the millisecond at which it was written.
-- A complaint that an officer released is known to everybody else under this one.
alter table complaint add column shown_as uuid not null default gen_random_uuid();
create unique index complaint_shown_as on complaint (shown_as) where released_at is not null;
create index complaint_near_released on complaint using gist (earth)
    where released_at is not null and earth is not null;

-- Whoever said "me too" wants no more of it.
alter table complainant add column left_at timestamptz;
