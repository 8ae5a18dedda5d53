-- What a phone noted of a visit that had ended before it came: kept for the head, counted nowhere
-- (docs/adr/0012).

alter table entry add column counts boolean not null default true;

create or replace view answer as
select e.visit, a.item, e.operation, e.author, a.answered_at, e.received_at, a.value, a.outcome,
    coalesce(a.supersedes, '{}') as supersedes, a.note, a.reason, a.licence, a.flags
from entry e cross join lateral json_to_recordset(e.answers) as a(item text, outcome text,
    value jsonb, answered_at timestamptz, supersedes uuid[], note text, reason text,
    licence uuid, flags jsonb)
where e.counts;
