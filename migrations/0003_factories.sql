-- The factory register: categories, premises, licences with their versions, imports.
-- Premises are a site; a licence is one registration of one operator at that site.

create table category (
    code text constraint category_pkey primary key check (code ~ '^[0-9]{5}$'),
    main smallint not null check (main between 1 and 107),
    sub smallint check (sub > 0),
    title_th text not null,
    title_en text not null,
    classes jsonb not null,
    constraint category_numbers_key unique nulls not distinct (main, sub)
);

-- One run of the open feed. A run that was killed goes on where its last chunk was committed.
create table register_import (
    id uuid primary key,
    file_name text not null,
    file_hash text not null check (file_hash ~ '^[0-9a-f]{64}$'),
    chunk_rows integer not null check (chunk_rows > 0),
    started_at timestamptz not null,
    finished_at timestamptz
);
create index register_import_latest on register_import (started_at);
create table register_import_chunk (
    import_id uuid not null references register_import,
    chunk integer not null,
    rows integer not null,
    added integer not null,
    changed integer not null,
    committed_at timestamptz not null,
    constraint register_import_chunk_pkey primary key (import_id, chunk)
);

-- Codes lie within one another: a site's sub-district is one of its district.
alter table subdistrict add constraint subdistrict_in_district unique (district, code);

create table premises (
    id uuid primary key,
    version integer not null default 1,
    name text not null,
    name_key text collate "C" not null, -- Thai dictionary order, see api/factories/names.py
    search text not null, -- every name of the site in search form
    live boolean not null, -- some licence is not struck off, or there is none
    address text not null default '',
    province text not null references province,
    district text references district,
    subdistrict text,
    lat double precision check (lat between -90 and 90),
    lng double precision check (lng between -180 and 180),
    earth cube, -- of lat and lng, in metres from the earth's centre, see api/factories/earth.py
    position_source text check (position_source in ('register', 'officer')),
    registered boolean not null default true, -- false: found in the field, without a licence
    merged_into uuid references premises,
    created_at timestamptz not null default now(),
    constraint premises_position_whole check (
        (lat is null) = (lng is null) and (lat is null) = (earth is null)
        and (lat is null) = (position_source is null)
    ),
    constraint premises_district_in_province check (left(district, 2) = province),
    constraint premises_subdistrict_fkey foreign key (district, subdistrict)
        references subdistrict (district, code),
    constraint premises_subdistrict_in_district check (subdistrict is null or district is not null),
    constraint premises_not_into_itself check (merged_into <> id)
);
-- Of six sites five are struck off. Only those that live are listed by name and place; who looks
-- for one of the others gives its number or its province.
-- With `search` in it, a frequent part of a name is found by walking this index alone.
create index premises_by_name on premises (name_key, id) include (search)
    where live and merged_into is null;
create index premises_by_province on premises (province, name_key, id)
    where live and merged_into is null;
create index premises_province on premises (province);
create index premises_district on premises (district, subdistrict);
create index premises_near on premises using gist (earth)
    where live and merged_into is null and earth is not null;
create index premises_search on premises using gin (search gin_trgm_ops) where live;
create index premises_merged_into on premises (merged_into) where merged_into is not null;

-- What was changed of a site after it was first recorded.
create table premises_version (
    premises_id uuid not null references premises,
    version integer not null,
    at timestamptz not null,
    account uuid,
    changed jsonb not null,
    constraint premises_version_pkey primary key (premises_id, version)
);

create table licence (
    id uuid primary key,
    version integer not null default 1,
    key text not null, -- the new number, or the old one where there is no new one
    number_new text check (number_new ~ '^[0-9]{14}$'),
    number_old text,
    number_shown text not null, -- as the register displays it
    licence_class smallint check (licence_class between 1 and 3),
    category text references category,
    other_categories text[] not null default '{}',
    hp double precision check (hp >= 0),
    workers integer check (workers >= 0),
    name text not null,
    operator_name text not null,
    operator_kind text not null check (operator_kind in ('company', 'person')),
    operator_company uuid references company,
    isic text,
    estate text,
    status text not null
        constraint licence_status_known
        check (status in ('not_started', 'operating', 'stopped', 'closed', 'struck_off')),
    premises_id uuid not null references premises,
    feed_hash uuid, -- of the register's row as last imported; a person's correction keeps it
    created_at timestamptz not null default now(), -- of an import: its chunk's committed_at
    constraint licence_key_key unique (key),
    constraint licence_key_is_number check (key = coalesce(number_new, number_old))
);
create index licence_number_old on licence (number_old) where number_old is not null;
create index licence_premises on licence (premises_id);
create index licence_category on licence (category, licence_class);
create index licence_operator_company on licence (operator_company)
    where operator_company is not null;

-- What changed when and why, from version 2 on (version 1 is the record as it was created):
-- `changed` maps a field to [before, after]. Append-only: the server's role can neither change
-- nor delete.
create table licence_version (
    licence_id uuid not null references licence,
    version integer not null,
    at timestamptz not null,
    account uuid, -- who; null for an import
    import_id uuid references register_import,
    line integer, -- of the imported file
    changed jsonb not null,
    constraint licence_version_pkey primary key (licence_id, version)
);
create index licence_version_import on licence_version (import_id) where import_id is not null;

grant select on category, licence_version, premises_version, register_import, register_import_chunk to superapp_app;
grant insert on licence_version, premises_version to superapp_app;
grant select, insert, update on premises, licence to superapp_app;
