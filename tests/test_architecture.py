"""The rules of the house, held against the code and the real schema."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import get_args

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from api import handbook
from api.accounts import fresh_model
from api.accounts import model as accounts
from api.complaints import model as complaints
from api.db import Database
from api.documents import contents
from api.documents import model as documents
from api.evidence import model as evidence
from api.factories import model as factories
from api.inspection.orders import model as orders
from api.inspection.visits import model as visits
from api.inspection.visits import operations
from api.notify.model import Language
from api.permissions import PERMISSIONS, PUBLIC, Role
from api.problems import CATALOGUE, Problem
from api.readers import model as readers
from api.readers.fleet import model as fleet
from api.readers.fleet import rows as fleet_rows
from reader_bridge import messages

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "api").rglob("*.py"))
LITESTAR = re.compile(r"^api/(app|edge|envelope|openapi)\.py$|^api/routes/")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def routes(app: Litestar) -> Iterator[HTTPRouteHandler]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            yield from route.route_handlers


# --- code ---------------------------------------------------------------------------------------


def test_imports_go_one_way_as_the_contracts_say() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_edge_routes_and_app_know_litestar(path: Path) -> None:
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert "litestar" not in imported or LITESTAR.match(name_of(path))


def test_a_file_fits_one_sitting() -> None:
    lengths = {name_of(p): p.read_text(encoding="utf-8").count("\n") for p in SOURCES}
    assert not {name: n for name, n in lengths.items() if n > 450}


def test_every_route_names_a_verb(app: Litestar) -> None:
    without = [h.paths for h in routes(app) if h.opt.get("verb") not in {PUBLIC, *PERMISSIONS}]
    # OPTIONS says which methods there are, and nothing else.
    assert not [paths for paths in without if paths] or all(
        h.http_methods == {"OPTIONS"} for h in routes(app) if "verb" not in h.opt
    )


def test_no_route_is_reached_past_its_admission(app: Litestar) -> None:
    """A hook of a route's own would take its place, and a cached answer would come before it."""
    past = [h.paths for h in routes(app) if h.resolve_before_request() is None or h.cache]
    own = [h.paths for h in routes(app) if "verb" in h.opt and h.before_request is not None]
    assert not past and not own


def test_only_few_statements_read_who_told_a_complaint() -> None:
    """docs/adr/0017: the case is not the person."""
    reading = {
        name_of(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.search(r"\b(from|join|into|update)\s+complainant\b", node.value)
    }
    assert reading <= {f"api/complaints/{name}.py" for name in KNOW_WHO_TOLD}, reading


KNOW_WHO_TOLD = {"identity", "own/me_too_queries", "own/queries", "queries", "tracking"}


def test_every_operation_has_a_name_of_its_own(app: Litestar) -> None:
    names = [str(h.operation_id) for h in routes(app) if "verb" in h.opt]
    assert sorted(names) == sorted(set(names))


def test_every_verb_of_the_table_is_used() -> None:
    used = {
        node.value
        for path in SOURCES
        if path.name != "permissions.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert not sorted(PERMISSIONS.keys() - used)


def test_the_auditor_has_no_verb_that_writes(app: Litestar) -> None:
    writing = {
        h.opt["verb"]
        for h in routes(app)
        if h.opt.get("verb", PUBLIC) != PUBLIC and h.http_methods - {"GET", "HEAD", "OPTIONS"}
    }
    own = {"session.end", "session.sign_out"}  # signing out is everybody's
    assert {v for v in writing if Role.auditor in PERMISSIONS[v]} == own


def test_every_problem_is_told_by_some_route() -> None:
    told = (ROOT / "openapi" / "openapi.json").read_text(encoding="utf-8")
    silent = {c for c in CATALOGUE if f'"{c}"' not in told and f"`{c}`" not in told}
    told_in_the_description_for_every_address = {"ground/wrong-method"}
    of_verbs_that_later_features_bring = {"documents/force", "evidence/taken", "evidence/unknown"}
    of_verbs_that_later_features_bring |= {p.code for p in fresh_model.PROBLEMS}
    told_in_the_receipts_of_statements = {
        "readers/nonce-wrong",
        "readers/payload-wrong",
        "readers/reader-elsewhere",
        "readers/session-over",
        "readers/ticket-elsewhere",
        "readers/ticket-used",
    }
    silent -= told_in_the_receipts_of_statements
    assert not sorted(
        silent - told_in_the_description_for_every_address - of_verbs_that_later_features_bring
    )


def test_every_problem_is_raised_somewhere() -> None:
    said = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    called = Counter(re.findall(r"\b(\w+)\(", said))
    unused = [
        kind.__name__
        for kind in CATALOGUE.values()
        if called[kind.__name__] < 2  # its own definition is one
        and not _by_constraint(kind)
    ]
    assert not unused


def _by_constraint(kind: type[Problem]) -> bool:
    from api.problems import BY_CONSTRAINT

    return kind in BY_CONSTRAINT.values()


# --- states -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, _ in handbook.moves()])
def test_every_state_can_be_reached_and_every_verb_leads_somewhere(name: str) -> None:
    table = dict(handbook.moves())[name]
    kind = type(next(iter(table))[1])
    states = set(kind)
    assert {state for _, state in table} | set(table.values()) == states
    first = next(iter(table))[1]
    reached, before = {first}, set()
    while reached != before:
        before = set(reached)
        reached |= {to for (_, state), to in table.items() if state in reached}
    # A finding begins in either of two states, by how sure its law is.
    assert states - reached <= {visits.FindingState.open}


CHECKED: dict[tuple[str, str], set[str]] = {
    ("account", "status"): set(accounts.Status),
    ("account_role", "role"): set(Role) - {Role.citizen, Role.operator},
    ("authority", "power"): set(accounts.Power),
    ("company_member", "capacity"): set(accounts.Capacity),
    ("device", "language"): set(Language),
    ("office", "kind"): set(accounts.OfficeKind),
    ("session", "end_reason"): set(accounts.EndReason),
    ("licence", "status"): set(factories.Status),
    ("licence", "operator_kind"): set(get_args(factories.OperatorKind)),
    ("premises", "position_source"): {"register", "officer"},
    ("legal_order", "kind"): set(orders.OrderKind),
    ("legal_order", "state"): set(orders.OrderState),
    ("legal_order", "basis"): set(get_args(orders.Basis)),
    ("service_attempt", "how"): set(get_args(orders.How)),
    ("appeal", "outcome"): set(get_args(orders.Outcome)),
    ("sealing", "state"): set(orders.SealingState),
    ("visit", "state"): set(visits.VisitState),
    ("visit", "reason"): set(get_args(operations.Reason)),
    ("visit", "outcome"): set(get_args(operations.Outcome)),
    ("visit", "representative"): set(get_args(operations.Presence)),
    ("visit_signature", "who"): set(get_args(operations.Signer)),
    ("document", "kind"): set(contents.KINDS),
    ("document", "language"): set(get_args(contents.Language)),
    ("document_force", "force"): set(documents.Force),
    ("finding", "state"): set(visits.FindingState),
    ("finding", "severity"): set(get_args(visits.Severity)),
    ("finding", "ref_status"): {"act_text", "instrument_found", "recalled"},
    ("upload", "state"): set(evidence.UploadState),
    ("complaint", "state"): set(complaints.State),
    ("complaint", "outcome"): set(complaints.Outcome),
    ("complaint", "severity"): set(complaints.Severity),
    ("complaint", "subject"): set(complaints.Subject),
    ("complaint", "channel"): set(complaints.Channel),
    ("complaint_entry", "kind"): set(complaints.EntryKind),
    ("complaint_route", "to_kind"): set(accounts.OfficeKind),
    ("complainant", "kind"): {"reporter", "me_too"},
    ("bridge", "state"): set(readers.BridgeState),
    ("bridge", "key_protection"): set(get_args(messages.Protection)),
    ("bridge_enrolment", "state"): set(readers.EnrolmentState),
    ("bridge_enrolment", "key_protection"): set(get_args(messages.Protection)),
    ("bridge_incident", "kind"): set(get_args(readers.Incident)),
    ("intent", "purpose"): set(readers.Purpose),
    ("intent", "state"): set(readers.IntentState),
    ("intent", "step"): set(get_args(messages.Step)),
    ("offline_ticket", "purpose"): set(readers.Purpose),
    ("reading", "label"): set(get_args(readers.Label)),
    ("reading", "purpose"): set(readers.Purpose),
    ("reader_request", "state"): set(fleet.ReaderRequestState),
    ("reader_asset", "state"): set(fleet.ReaderState),
    ("reader_import", "kind"): set(get_args(fleet_rows.Kind)),
}


async def test_every_list_of_values_in_the_schema_is_the_one_in_the_code(db: Database) -> None:
    async with db.pool.acquire() as connection:
        found = await connection.fetch(
            """
            select c.conrelid::regclass::text as t, a.attname as a,
                pg_get_constraintdef(c.oid) as def
            from pg_constraint c
                join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
            where c.contype = 'c' and array_length(c.conkey, 1) = 1
                and c.connamespace = 'public'::regnamespace
            """
        )
    in_schema = {
        (row["t"], row["a"]): set(re.findall(r"'([\w-]+)'::text", row["def"]))
        for row in found
        if "ANY (ARRAY[" in row["def"]
    }
    assert in_schema == {key: {str(v) for v in values} for key, values in CHECKED.items()}


def test_a_state_enum_of_a_feature_is_in_a_table_of_moves() -> None:
    walked = {type(next(iter(table))[1]) for _, table in handbook.moves()}
    assert all(issubclass(kind, StrEnum) for kind in walked)
    assert {orders.OrderState, orders.SealingState} <= walked
    assert {visits.VisitState, visits.FindingState, factories.Status} <= walked


# --- the schema ---------------------------------------------------------------------------------


async def test_every_foreign_key_has_an_index(db: Database) -> None:
    async with db.pool.acquire() as connection:
        missing = await connection.fetch(
            """
            select c.conname, c.conrelid::regclass::text as t,
                string_agg(a.attname, ', ' order by k.n) as columns
            from pg_constraint c
                cross join lateral unnest(c.conkey) with ordinality as k(attnum, n)
                join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum
            where c.contype = 'f' and c.connamespace = 'public'::regnamespace
                and not exists (
                    select from pg_index i where i.indrelid = c.conrelid and i.indisvalid
                        and (i.indkey::smallint[])[0:array_length(c.conkey, 1) - 1] @> c.conkey
                        and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid)
                            = format('(%s IS NOT NULL)', (
                                select attname from pg_attribute
                                where attrelid = c.conrelid and attnum = c.conkey[1])))
                )
            group by c.oid
            """
        )
    fix = [f"create index {r['conname']}_idx on {r['t']} ({r['columns']});" for r in missing]
    assert not fix, "add to a migration:\n" + "\n".join(fix)


async def test_the_servers_role_owns_nothing_and_is_nobody_special(db: Database) -> None:
    async with db.pool.acquire() as connection:
        assert await connection.fetchval("select current_user") == "superapp_app"
        owned = await connection.fetch(
            """
            select relname from pg_class where relowner = 'superapp_app'::regrole
            union all select proname from pg_proc where proowner = 'superapp_app'::regrole
            union all select nspname from pg_namespace where nspowner = 'superapp_app'::regrole
            """
        )
        role = await connection.fetchrow(
            """
            select rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication as p,
                rolcanlogin as login,
                has_schema_privilege('superapp_app', 'public', 'create') as creates
            from pg_roles where rolname = 'superapp_app'
            """
        )
    assert owned == []
    assert not any(role.values())


APPEND_ONLY = (
    *("event", "entry", "visit_note", "operation", "refused_operation", "checklist"),
    *("document", "document_force", "document_file"),
    *("evidence", "evidence_examined"),
    "bridge_statement",
)


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_what_happened_can_only_be_added_to(db: Database, table: str) -> None:
    async with db.pool.acquire() as connection:
        may = {
            right: await connection.fetchval(
                "select has_table_privilege('superapp_app', $1, $2)", table, right
            )
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER")
        }
        columns = await connection.fetchval(
            "select has_any_column_privilege('superapp_app', $1, 'UPDATE')", table
        )
        assert may.pop("INSERT")
        may.pop("SELECT")
        assert not any(may.values()), may
        assert not columns
        for statement in (f"delete from {table}", f"truncate {table}"):
            with pytest.raises(Exception, match="permission denied"):
                await connection.execute(statement)


async def test_times_have_a_zone_and_a_constraint_of_a_user_has_a_name(db: Database) -> None:
    async with db.pool.acquire() as connection:
        bare = await connection.fetch(
            """
            select table_name, column_name from information_schema.columns
            where table_schema = 'public' and data_type = 'timestamp without time zone'
            """
        )
    assert bare == []


async def test_postgresql_listens_on_no_port(db: Database) -> None:
    async with db.pool.acquire() as connection:
        assert await connection.fetchval("show listen_addresses") == ""
