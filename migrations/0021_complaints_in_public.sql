-- Complaints in public: words that officers release, frozen counts, Open311.

-- The number that programs and the public have of a complaint. Random, because the number for
-- people counts on and would tell when a complaint came.
alter table complaint
    add column public_id bigint not null
        default ('x' || left(replace(gen_random_uuid()::text, '-', ''), 12))::bit(48)::bigint
        constraint complaint_public_id unique,
    add column released_en text,
    add constraint complaint_released_th check (released_en is null or released_text is not null);
create index complaint_received on complaint using brin (received_at);
create index complaint_released_place on complaint (lat, lng) where released_at is not null;

-- What was released in the course of time; without words: taken back.
create table complaint_release (
    id uuid primary key,
    complaint uuid not null references complaint,
    at timestamptz not null,
    account uuid not null references account,
    authority uuid references authority,
    th text,
    en text,
    constraint complaint_release_words check (th is not null or en is null)
);
create index complaint_release_complaint on complaint_release (complaint, at);
create index complaint_release_account on complaint_release (account);
create index complaint_release_authority on complaint_release (authority)
    where authority is not null;

-- The months whose counts are public. Counted once: what does not change tells nothing by changing.
create table complaint_month (
    month date primary key check (extract(day from month) = 1),
    at timestamptz not null
);
create table complaint_count (
    month date not null references complaint_month,
    province text not null references province,
    category text not null references complaint_category,
    n integer not null check (n > 0),
    constraint complaint_count_pkey primary key (month, province, category)
);
create index complaint_count_province on complaint_count (province);
create index complaint_count_category on complaint_count (category);

-- What came from programs of others: whose it is, and the keyed index of the token it was given.
create table open311_request (
    complaint uuid primary key references complaint,
    client uuid not null references api_client,
    token bytea not null constraint open311_request_token unique
);
create index open311_request_client on open311_request (client);

-- A text as a cell of a spreadsheet that will not run it as a formula (CWE-1236).
create function csv_cell(t text) returns text language sql immutable parallel safe as $$
    select case
        when ascii(t) between 97 and 122 or ascii(t) between 65 and 90
            or ascii(t) between 48 and 57 or ascii(t) between 3585 and 3675 then t -- most of them
        when t ~ '^[\s\u0001-\u0020\u00a0\ufeff]*[=+\-@|%\uff1d\uff0b\uff0d\uff20]' then '''' || t
        else t end
$$;

grant select, insert on complaint_release, complaint_month, complaint_count, open311_request
    to superapp_app;
grant execute on function csv_cell to superapp_app;
