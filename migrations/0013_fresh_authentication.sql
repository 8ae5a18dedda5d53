-- Signing is a fresh authentication over the hash of exactly what was shown: the officer logs in
-- at the provider once more, and a ticket of five minutes says so. An officer's name and position
-- stand on orders in two languages.

alter table sign_in_attempt
    add column sha256 text,
    add constraint sign_in_attempt_sha256 check (sha256 ~ '^[0-9a-f]{64}$');

-- The row stays as evidence. `provider` is the issuer, `subject_index` who that was there (as in
-- `provider_identity`), `authenticated_at` the provider's own auth_time.
create table fresh_authentication (
    id uuid primary key,
    ticket_hash bytea not null,
    account uuid not null references account,
    client text not null references oauth_client,
    provider text not null,
    subject_index bytea not null,
    authenticated_at timestamptz not null,
    sha256 text not null,
    issued_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    cancelled_at timestamptz,
    constraint fresh_authentication_ticket_once unique (ticket_hash),
    constraint fresh_authentication_sha256 check (sha256 ~ '^[0-9a-f]{64}$'),
    constraint fresh_authentication_ended check (used_at is null or cancelled_at is null)
);
create index fresh_authentication_account on fresh_authentication (account, issued_at);
create index fresh_authentication_client on fresh_authentication (client);

alter table authorization_code
    add column sha256 text,
    add column provider text,
    add column subject_index bytea,
    add column authenticated_at timestamptz,
    add column authentication uuid references fresh_authentication,
    add constraint authorization_code_fresh
        check (num_nonnulls(sha256, provider, subject_index, authenticated_at) in (0, 4)),
    drop constraint authorization_code_used,
    add constraint authorization_code_used check (
        (used_at is null) = (num_nonnulls(session, authentication) = 0)
        and num_nonnulls(session, authentication) < 2
        and (authentication is null or sha256 is not null)
        and (session is null or sha256 is null));
create index authorization_code_authentication on authorization_code (authentication)
    where authentication is not null;

alter table officer
    add column name_en text not null default '',
    add column position_en text not null default '';

grant select, insert, update (used_at, cancelled_at) on fresh_authentication to superapp_app;
