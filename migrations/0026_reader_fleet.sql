-- Card readers as assets: what was asked for, which readers came of it, who has confirmed them.

-- What makes two writings of a serial number the same: letters and digits, without case.
create function reader_key(serial text) returns text language sql immutable parallel safe as $$
    select upper(regexp_replace(serial, '[^A-Za-z0-9]', '', 'g'))
$$;

create table reader_agency (
    code text primary key,
    name_th text not null,
    name_en text not null,
    constraint reader_agency_code check (code ~ '^[a-z0-9-]{1,40}$')
);

-- A line of a letter: so many readers for a unit. Numbers as letters tell them stand beside serials.
create table reader_request (
    id uuid primary key,
    agency text not null references reader_agency,
    document text not null,
    unit text not null,
    office uuid references office,
    asked_on date not null,
    quantity integer not null,
    allocated integer not null default 0,
    state text not null default 'requested',
    version integer not null default 1,
    created_at timestamptz not null,
    created_by uuid references account,
    constraint reader_request_once unique (agency, document, unit),
    constraint reader_request_quantity check (quantity between 1 and 1000000),
    constraint reader_request_allocated check (allocated between 0 and 1000000),
    constraint reader_request_state check (state in ('requested', 'allocated', 'withdrawn'))
);
create index reader_request_office on reader_request (office) where office is not null;
create index reader_request_created_by on reader_request (created_by) where created_by is not null;

create table reader_import (
    id uuid primary key,
    kind text not null,
    file_name text not null,
    file_hash text not null,
    agency text references reader_agency,
    read integer not null default 0,
    added integer not null default 0,
    changed integer not null default 0,
    rejected integer not null default 0,
    noted integer not null default 0,
    started_at timestamptz not null,
    finished_at timestamptz,
    account uuid references account,
    constraint reader_import_kind check (kind in ('requests', 'readers', 'confirmations'))
);
create index reader_import_file on reader_import (file_hash, kind);
create index reader_import_agency on reader_import (agency) where agency is not null;
create index reader_import_account on reader_import (account) where account is not null;

-- One reader. `listed` is the hash of its line in the list it was last imported from: an officer's
-- entry stands until the list itself says something new.
create table reader_asset (
    id uuid primary key,
    serial text not null,
    serial_key text collate "C" not null,
    agency text not null references reader_agency,
    unit text not null default '',
    office uuid references office,
    request uuid references reader_request,
    model text not null default '',
    note text not null default '',
    state text not null,
    state_at timestamptz not null,
    distributed_on date,
    reissued_at timestamptz, -- confirmations before it are of another time
    replaced_by uuid references reader_asset,
    version integer not null default 1,
    listed bytea,
    import_id uuid references reader_import,
    created_at timestamptz not null,
    constraint reader_asset_serial_once unique (serial_key),
    constraint reader_asset_serial check (serial_key ~ '^[A-Z0-9]{4,64}$'),
    constraint reader_asset_state check (state in (
        'allocated', 'distributed', 'in_service', 'broken', 'lost', 'returned'))
);
create index reader_asset_agency on reader_asset (agency, state, serial_key);
create index reader_asset_office on reader_asset (office, serial_key) where office is not null;
create index reader_asset_request on reader_asset (request, state) where request is not null;
create index reader_asset_replaced_by on reader_asset (replaced_by) where replaced_by is not null;
create index reader_asset_import_id on reader_asset (import_id) where import_id is not null;

-- A unit's word that it holds a reader: kept as said, whatever the lists say.
create table reader_confirmation (
    id uuid primary key,
    serial text not null,
    serial_key text collate "C" not null,
    agency text not null references reader_agency,
    unit text not null,
    office uuid references office,
    confirmed_at timestamptz not null,
    account uuid references account,
    import_id uuid references reader_import,
    constraint reader_confirmation_once unique (serial_key, agency, unit),
    constraint reader_confirmation_serial check (serial_key ~ '^[A-Z0-9]{4,64}$')
);
create index reader_confirmation_agency on reader_confirmation (agency, unit);
create index reader_confirmation_office on reader_confirmation (office) where office is not null;
create index reader_confirmation_account on reader_confirmation (account)
    where account is not null;
create index reader_confirmation_import_id on reader_confirmation (import_id)
    where import_id is not null;

-- Where a reader was last seen at work: the one place where assets and bridges meet. A serial that
-- two bridges claim has two rows. The key is kept: to make it of each row costs most of a report.
alter table bridge_reader add column serial_key text collate "C"
    generated always as (reader_key(serial)) stored;
create index bridge_reader_serial_key on bridge_reader (serial_key) where serial_key is not null;
create view reader_seen as
    select r.serial_key, r.serial, r.bridge, b.office, b.software as version, r.last_seen_at
    from bridge_reader r join bridge b on b.id = r.bridge
    where r.serial_key is not null and r.serial_key <> '';

grant select, insert, update on reader_agency, reader_request, reader_import, reader_asset
    to superapp_app;
grant select, insert, update (confirmed_at, account, import_id) on reader_confirmation
    to superapp_app;
grant select on reader_seen to superapp_app;
grant execute on function reader_key to superapp_app;
