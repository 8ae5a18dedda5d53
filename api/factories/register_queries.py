"""The statements of an import of the register: a chunk at a time, set by set.

`feed_row` and `feed_change` are temporary tables of the importing connection. Names here are
those of `feed_row.LICENCE_COLUMNS` and `feed_row.SITE_COLUMNS`.
"""

from __future__ import annotations

PREPARE = """
create temporary table feed_row (
    line integer, licence_id uuid, key text, number_new text, number_old text, number_shown text,
    licence_class smallint, category text, hp double precision, workers integer, name text,
    operator_name text, operator_kind text, isic text, estate text, status text, premises_id uuid,
    feed_hash uuid, site_id uuid, site_name text, name_key text collate "C", search text,
    live boolean, address text, province text, district text, subdistrict text,
    lat double precision, lng double precision, earth cube, position_source text
) on commit delete rows;
create temporary table feed_change (
    id uuid, premises_id uuid, version integer, province text, fresh_id uuid, line integer,
    key text, changed jsonb
) on commit delete rows;
set enable_hashjoin = off;
set enable_mergejoin = off;
set jit = off;
set gin_pending_list_limit = '128MB';
set maintenance_work_mem = '128MB';
"""
# Without statistics on the temporary tables the planner would read all of `licence` each time.

TRUST_CHECKED = "set session_replication_role = replica"
"""Foreign keys are then not looked up row by row, which is half of the time of an import. A chunk
refers only to its own premises and to the places and categories of `CODES`, which are compared
before. Needs a superuser, or the grant of this setting; without it the import is slower."""

CODES = """
select array_agg(code) from (
    select code from province union all select code from district
    union all select code from subdistrict union all select 'c' || code from category
) c
"""

ANY_WITHOUT_NEW_NUMBER = "select exists (select from licence where number_new is null)"

TIDY = (
    # Takes up the pending list of the index of names, and lets names be read from their index.
    "vacuum (analyze) premises",
    "analyze licence, licence_version, change",
)

ADOPT = """
update licence l set key = s.new, number_new = s.new
from unnest($1::text[], $2::text[]) as s (new, old)
where l.number_new is null and l.key = s.old
    and not exists (select from licence o where o.key = s.new)
"""
"""A licence known by its old number alone has now been given its new one.

Where another licence bears that one already, the register had left it out for a time.
"""

KNOWN = """
select key, replace(feed_hash::text, '-', '') from licence
where key = any(string_to_array($1, E'\\n'))
"""
"""One text goes over much quicker than an array of thousands."""

TELL = """
insert into change (scope, kind, record, xid, seq)
select 'province:' || s.province, 'factory', s.id, pg_current_xact_id(), nextval('change_seq')
from unnest($1::text[], $2::uuid[]) as s (province, id)
"""

_LICENCE_FIELDS = [
    "number_old",
    "number_shown",
    "licence_class",
    "category",
    "hp",
    "workers",
    "name",
    "operator_name",
    "operator_kind",
    "isic",
    "estate",
    "status",
]
_SITE_FIELDS = ["address", "province", "district", "subdistrict", "lat", "lng"]

FIND_CHANGES = f"""
insert into feed_change
select l.id, l.premises_id, l.version, p.province, s.licence_id, s.line, s.key,
    (select jsonb_object_agg(f.field, jsonb_build_array(f.was, f.now))
     from (values {
    ", ".join(
        [f"('{f}', to_jsonb(l.{f}), to_jsonb(s.{f}))" for f in _LICENCE_FIELDS]
        + [f"('{f}', to_jsonb(p.{f}), to_jsonb(s.{f}))" for f in _SITE_FIELDS]
    )
}) f (field, was, now)
     where f.was is distinct from f.now)
from feed_row s
join licence l on l.key = s.key
join premises p on p.id = l.premises_id
where l.feed_hash is distinct from s.feed_hash
"""  # noqa: S608 - the names are those above

CHANGE_LICENCES = """
update licence l
set number_old = s.number_old, number_shown = s.number_shown, licence_class = s.licence_class,
    category = s.category, hp = s.hp, workers = s.workers, name = s.name,
    operator_name = s.operator_name, operator_kind = s.operator_kind, isic = s.isic,
    estate = s.estate, status = s.status, feed_hash = s.feed_hash,
    version = l.version + case when c.changed is null then 0 else 1 end
from feed_change c join feed_row s on s.key = c.key
where l.id = c.id
"""

CHANGE_SITES = """
with sole as (
    select c.premises_id as site, (c.changed is not null)::integer as counts, s.*
    from feed_change c join feed_row s on s.key = c.key
    where not exists (
        select from licence o where o.premises_id = c.premises_id and o.id <> c.id)
)
update premises p
set name = s.name, name_key = s.name_key, search = s.search, address = s.address,
    province = s.province, district = s.district, subdistrict = s.subdistrict,
    lat = case when p.position_source = 'officer' then p.lat else s.lat end,
    lng = case when p.position_source = 'officer' then p.lng else s.lng end,
    earth = case when p.position_source = 'officer' then p.earth else s.earth end,
    position_source = case when p.position_source = 'officer' then 'officer'
                           when s.lat is not null then 'register' end,
    version = p.version + s.counts
from sole s where p.id = s.site
"""
"""Where several licences share a site, an officer merged them: the register no longer moves it."""

CHANGE_SHARED_SITES = """
update premises p
set search = p.search || '|' || s.search, version = p.version + 1
from feed_change c join feed_row s on s.key = c.key
where p.id = c.premises_id and c.changed is not null and position(s.search in p.search) = 0
"""

RENEW_LIVE = """
update premises p set live = n.live
from (
    select c.premises_id, bool_or(l.status <> 'struck_off') as live
    from feed_change c join licence l on l.premises_id = c.premises_id
    group by 1
) n
where p.id = n.premises_id and p.live <> n.live
"""

RECORD_CHANGES = """
with versions as (
    insert into licence_version (licence_id, version, at, import_id, line, changed)
    select id, version + 1, now(), $1, line, changed from feed_change where changed is not null
), events as (
    insert into event (id, at, name, kind, record, actor, facts)
    select fresh_id, now(), 'licence.changed', 'licence', id, 'import',
        jsonb_build_object('import', $1::uuid, 'line', line,
            'fields', (select jsonb_agg(k order by k) from jsonb_object_keys(changed) k))
    from feed_change where changed is not null
), told as (
    insert into change (scope, kind, record, xid, seq, gone)
    select 'province:' || t.province, 'factory', t.id, pg_current_xact_id(),
        nextval('change_seq'), t.gone
    from (
        select p.province, p.id, not p.live as gone
        from feed_change c join premises p on p.id = c.premises_id
        where c.changed is not null
        union
        select c.province, p.id, true
        from feed_change c join premises p on p.id = c.premises_id
        where c.changed is not null and c.province <> p.province
    ) t
    on conflict (scope, kind, record) do update
    set xid = excluded.xid, seq = excluded.seq, gone = excluded.gone
)
select count(*) from feed_change where changed is not null
"""

RECORD_CHUNK = """
insert into register_import_chunk (import_id, chunk, rows, added, changed, committed_at)
values ($1, $2, $3, $4, $5, now())
"""

UNFINISHED = """
select id from (
    select id, file_hash, chunk_rows, finished_at
    from register_import order by started_at desc limit 1
) latest
where file_hash = $1 and chunk_rows = $2 and finished_at is null
"""

BEGIN = """
insert into register_import (id, file_name, file_hash, chunk_rows, started_at)
values ($1, $2, $3, $4, $5)
"""

DONE_CHUNKS = "select chunk, rows, added, changed from register_import_chunk where import_id = $1"

FINISH = "update register_import set finished_at = $2 where id = $1"

LOCK = 7_061_201_907
"""Advisory lock: one import of the register at a time."""
