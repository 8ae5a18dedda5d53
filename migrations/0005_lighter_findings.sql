-- A finding lies where its visit was: the site is told once. Answers are stored as they were
-- encoded: nothing ever asks inside of them but the view (docs/adr/0011).

drop view answer;
alter table entry drop constraint entry_answers_check;
alter table entry alter column answers type json using answers::json;
alter table entry alter column answers set storage external;
create view answer as
select e.visit, a.item, e.operation, e.author, a.answered_at, e.received_at, a.value, a.outcome,
    coalesce(a.supersedes, '{}') as supersedes, a.note, a.reason, a.licence, a.flags
from entry e cross join lateral json_to_recordset(e.answers) as a(item text, outcome text,
    value jsonb, answered_at timestamptz, supersedes uuid[], note text, reason text,
    licence uuid, flags jsonb);
grant select on answer to superapp_app;

alter table finding drop column premises; -- with its two indexes and its foreign key
