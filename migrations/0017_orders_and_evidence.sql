-- What an order took can be given back; each seal is on one machine; what evidence tells of people is
-- sealed; messages are forgotten when their time is over.

-- Which order took the place of another.

alter table legal_order add column superseded_by uuid
    constraint legal_order_superseded_by references legal_order;
create index legal_order_superseded_by_on on legal_order (superseded_by)
    where superseded_by is not null;

update legal_order o set superseded_by = n.id from legal_order n
where o.state = 'superseded'
    and ((n.corrects = o.id and o.ended_why = 'superseded by ' || n.id::text)
        or (n.follows = o.id and n.kind = 'close' and o.ended_why = 'close ' || n.number));

-- A seal on a machine, until it is taken off.
create table seal (
    sealing uuid not null constraint seal_sealing references sealing,
    number text not null,
    machine text not null,     -- as it was approved; '' where an earlier list did not say
    machine_key text not null, -- as names are compared
    lifted_at timestamptz,
    lifted_by uuid references account,
    constraint seal_pkey primary key (sealing, number)
);
create index seal_machine_on on seal (machine_key) where lifted_at is null;
create index seal_lifted_by on seal (lifted_by) where lifted_by is not null;

insert into seal (sealing, number, machine, machine_key, lifted_at, lifted_by)
select distinct on (z.id, n) z.id, n, m, lower(m), z.lifted_at, z.lifted_by
from sealing z cross join lateral json_array_elements_text(z.seals) as n
    cross join lateral (select case when json_array_length(z.machines) = 1
        then z.machines->>0 else '' end) as one(m);
alter table sealing drop column seals;

grant select, insert on seal to superapp_app;
grant update (lifted_at, lifted_by) on seal to superapp_app;

-- Whose class decides who of the office may see it (s.11/1).
alter table evidence_claim add column class smallint check (class between 1 and 3);
update evidence_claim c set class = v.class from visit v
where c.owner_kind = 'visit' and v.id = c.owner;
update evidence_claim c set class = o.class
from legal_order o join (
    select id as part, id as legal_order from legal_order
    union all select id, legal_order from service_attempt
    union all select id, legal_order from order_notice
    union all select id, legal_order from sealing
    union all select id, legal_order from correction_claim
) p on p.legal_order = o.id
where p.part = c.owner;
grant update (class) on evidence_claim to superapp_app;

-- Where a sender was and how they named a file, sealed under their key. What stands openly from
-- before is sealed by `superapp keys seal-evidence`; nothing is written there any more.
alter table upload add column said bytea;
alter table evidence add column said bytea;
alter table evidence alter column filename set default '';
alter table evidence_examined add column place bytea;

-- A case file asks what was told about its records; a message is forgotten when its time is over.
create index message_about on message (about);
grant delete on message, pushed to superapp_app;
