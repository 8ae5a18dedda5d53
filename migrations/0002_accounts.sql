-- People, companies, officers and offices, authority, and how they sign in.

-- One key for each person, wrapped by the keyring; without it their sealed values are noise.
create table data_key (
    id uuid primary key,
    kid text not null,
    wrapped bytea,
    created_at timestamptz not null,
    destroyed_at timestamptz,
    constraint data_key_destroyed check ((wrapped is null) = (destroyed_at is not null))
);
create index data_key_kid on data_key (kid) where wrapped is not null;

create table person (
    id uuid primary key,
    data_key uuid not null references data_key,
    cid_index bytea,
    cid bytea,
    name_th bytea,
    name_en bytea,
    created_at timestamptz not null,
    constraint person_cid_once unique (cid_index),
    constraint person_cid_indexed check (cid is null or cid_index is not null)
);
create index person_data_key on person (data_key);

create table office (
    id uuid primary key,
    code text not null,
    kind text not null,
    name_th text not null,
    name_en text not null,
    constraint office_code_once unique (code),
    constraint office_kind check (kind in ('pio', 'diw', 'ieat', 'ministry', 'local'))
);
create table office_province (
    office uuid not null references office,
    province text not null references province,
    constraint office_province_pkey primary key (office, province)
);
create index office_province_province on office_province (province);

create table account (
    id uuid primary key,
    person uuid not null references person,
    status text not null default 'active',
    office uuid references office,
    created_at timestamptz not null,
    constraint account_person_once unique (person),
    constraint account_status check (status in ('active', 'suspended', 'closed'))
);
create index account_office on account (office) where office is not null;

-- Roles given to an account; citizen and operator follow from the facts and are not stored.
create table account_role (
    id uuid primary key,
    account uuid not null references account,
    role text not null,
    granted_at timestamptz not null,
    granted_by uuid references account,
    ended_at timestamptz,
    constraint account_role_role check (role in (
        'inspector', 'provincial_officer', 'provincial_head', 'department', 'ministry',
        'administrator', 'auditor', 'local_officer'))
);
create unique index account_role_once on account_role (account, role) where ended_at is null;
create index account_role_account on account_role (account);
create index account_role_granted_by on account_role (granted_by) where granted_by is not null;

-- The administrator's list. The name is an officer's, as it stands on every order they sign.
create table officer (
    id uuid primary key,
    office uuid not null references office,
    name text not null,
    position text not null default '',
    roles text[] not null,
    cid_index bytea,
    number_index bytea,
    email_index bytea,
    account uuid references account,
    bound_at timestamptz,
    ended_at timestamptz,
    version integer not null default 1,
    listed_at timestamptz not null,
    listed_by uuid references account,
    constraint officer_cid_once unique (cid_index),
    constraint officer_number_once unique (number_index),
    constraint officer_email_once unique (email_index),
    constraint officer_account_once unique (account),
    constraint officer_known_by check (num_nonnulls(cid_index, number_index, email_index) > 0),
    constraint officer_bound check ((account is null) = (bound_at is null)),
    constraint officer_roles check (cardinality(roles) > 0 and roles <@ array[
        'inspector', 'provincial_officer', 'provincial_head', 'department', 'ministry',
        'administrator', 'auditor', 'local_officer'])
);
create index officer_office on officer (office, id);
create index officer_listed_by on officer (listed_by) where listed_by is not null;

-- Dated grants beside the roles: what an officer may sign or open, where, from when until when.
create table authority (
    id uuid primary key,
    account uuid not null references account,
    power text not null,
    section text not null,
    classes smallint[],
    area text[],
    instrument text not null,
    valid_from date not null,
    valid_to date,
    granted_at timestamptz not null,
    granted_by uuid references account,
    revoked_at timestamptz,
    revoked_by uuid references account,
    constraint authority_power check (power in (
        'sign_order', 'approve_sealing', 'stop_operation', 'unseal', 'moderate')),
    constraint authority_dates check (valid_to is null or valid_to >= valid_from),
    constraint authority_classes check (classes <@ array[1, 2, 3]::smallint[])
);
create index authority_account on authority (account, power);
create index authority_granted_by on authority (granted_by) where granted_by is not null;
create index authority_revoked_by on authority (revoked_by) where revoked_by is not null;

create table company (
    id uuid primary key,
    juristic_id text not null,
    name_th text not null,
    name_en text not null default '',
    created_at timestamptz not null,
    constraint company_juristic_once unique (juristic_id),
    constraint company_juristic_form check (juristic_id ~ '^0[0-9]{12}$')
);
create table company_member (
    id uuid primary key,
    company uuid not null references company,
    account uuid not null references account,
    capacity text not null,
    added_at timestamptz not null,
    added_by uuid references account,
    ended_at timestamptz,
    constraint company_member_capacity check (capacity in ('director', 'employee', 'agent'))
);
create unique index company_member_once on company_member (company, account)
    where ended_at is null;
create index company_member_account on company_member (account) where ended_at is null;
create index company_member_accounts on company_member (account);
create index company_member_company on company_member (company);
create index company_member_added_by on company_member (added_by) where added_by is not null;

-- Who somebody is at a provider. A subject may itself be a national ID: only its keyed hash stands.
create table provider_identity (
    issuer text not null,
    subject_index bytea not null,
    account uuid not null references account,
    bound_at timestamptz not null,
    constraint provider_identity_pkey primary key (issuer, subject_index)
);
create index provider_identity_account on provider_identity (account);

-- Public clients after RFC 8252. `{public_url}` stands for this installation's own address; a
-- loopback address may carry any port.
create table oauth_client (
    id text primary key,
    name_th text not null,
    name_en text not null,
    redirects text[] not null,
    active boolean not null default true
);
insert into oauth_client (id, name_th, name_en, redirects) values
    ('superapp-phone', 'แอปบนโทรศัพท์', 'The app on the phone', array[
        'th.go.industry.superapp:/signed-in',
        'http://127.0.0.1/signed-in', 'http://[::1]/signed-in',
        '{public_url}/app/signed-in']),
    ('superapp-desk', 'หน้าจอบนโต๊ะทำงาน', 'The desk', array[
        'http://127.0.0.1/signed-in', 'http://[::1]/signed-in',
        '{public_url}/desk/signed-in']),
    ('superapp-docs', 'คู่มือ API', 'The API documentation', array[
        '{public_url}/docs/signed-in']);

create table session (
    id uuid primary key,
    account uuid not null references account,
    client text not null references oauth_client,
    device_name text not null,
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    ended_at timestamptz,
    end_reason text constraint session_end_reason check (end_reason in (
        'signed_out', 'lost_device', 'ended_elsewhere', 'token_reused', 'code_reused',
        'suspended')),
    wipe boolean not null default false,
    wipe_told_at timestamptz,
    constraint session_ended check ((ended_at is null) = (end_reason is null)),
    constraint session_wiped check (not wipe or ended_at is not null)
);
create index session_account on session (account, id);
create index session_client on session (client);

-- `successor` is the next token, locked with this one: only who holds this one can have it again.
create table refresh_token (
    hash bytea primary key,
    session uuid not null references session,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    replaced_by bytea references refresh_token deferrable initially deferred,
    successor bytea,
    constraint refresh_token_used check ((used_at is null) = (replaced_by is null))
);
create index refresh_token_session on refresh_token (session);
create index refresh_token_replaced_by on refresh_token (replaced_by)
    where replaced_by is not null;
create index refresh_token_expires on refresh_token (expires_at);

-- A sign-in on its way to a provider. `locked` holds nonce and verifier, opened by the state alone.
create table sign_in_attempt (
    state_hash bytea primary key,
    browser_hash bytea not null,
    provider text not null,
    client text not null references oauth_client,
    redirect_uri text not null,
    client_state text,
    code_challenge text not null,
    device_name text not null,
    locked bytea not null,
    expires_at timestamptz not null
);
create index sign_in_attempt_client on sign_in_attempt (client);
create index sign_in_attempt_expires on sign_in_attempt (expires_at);

create table authorization_code (
    hash bytea primary key,
    account uuid not null references account,
    client text not null references oauth_client,
    redirect_uri text not null,
    code_challenge text not null,
    device_name text not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    session uuid references session,
    constraint authorization_code_used check ((used_at is null) = (session is null))
);
create index authorization_code_account on authorization_code (account);
create index authorization_code_client on authorization_code (client);
create index authorization_code_session on authorization_code (session)
    where session is not null;
create index authorization_code_expires on authorization_code (expires_at);

grant select, insert, update on
    data_key, person, account, account_role, officer, authority, company, company_member, session
    to superapp_app;
grant select, insert on provider_identity to superapp_app;
grant select on office, office_province, oauth_client to superapp_app;
grant select, insert, update, delete on refresh_token, sign_in_attempt, authorization_code
    to superapp_app;
