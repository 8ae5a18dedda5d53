"""The contract that other programs are written against: complete, true, and readable offline."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from api import codes, handbook
from api.complaints import model as complaints
from api.inspection.visits.operations import FieldOperation
from api.openapi import FOLDER
from api.permissions import PERMISSIONS
from api.problems import CATALOGUE
from api.routes.docs import ASSETS
from api.routes.sync import RESULT_PROBLEMS
from api.shapes import RECORDS
from api.sync.feed import LOADERS
from api.sync.service import VERBS
from tests import described
from tests.world import World, answer, encode, gate, record

ROOT = FOLDER.parent
DOCUMENT: dict[str, Any] = json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
SYNC = (FOLDER / "sync.md").read_text(encoding="utf-8")


def validator(schema: dict[str, Any]) -> Any:
    """Of a schema that refers to the document's components."""
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": {"schemas": DOCUMENT["components"]["schemas"]}},
        validate_formats=True,
    )


def answers_with(operation: str, status: str = "200") -> dict[str, Any]:
    found = OPERATIONS[operation][2]["responses"][status]
    schema: dict[str, Any] = next(iter(found["content"].values()))["schema"]
    return schema


# --- the files ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contract() -> dict[str, str]:
    """What the code says, by the names of the files."""
    return handbook.contract()


@pytest.mark.parametrize("name", ["openapi.json", "problems.json"])
def test_the_committed_file_is_what_the_code_says(contract: dict[str, str], name: str) -> None:
    text = contract[name]
    assert (FOLDER / name).read_text(encoding="utf-8") == text, "run: make openapi"


def test_the_document_is_the_same_in_another_process() -> None:
    code = "from api.handbook import contract; import hashlib, sys\n"
    code += "sys.stdout.write(hashlib.sha256(contract()['openapi.json'].encode()).hexdigest())"
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    here = hashlib.sha256((FOLDER / "openapi.json").read_bytes()).hexdigest()
    assert said.stdout.decode() == here


@pytest.mark.parametrize("name", ["states.md", "problems.md"])
def test_the_pages_written_from_the_code_are_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == handbook.pages()[name]


def test_the_catalogue_tells_every_problem_in_both_languages() -> None:
    told = json.loads((FOLDER / "problems.json").read_text(encoding="utf-8"))
    assert {p["code"] for p in told} == set(CATALOGUE)
    assert all(re.search("[ก-๙]", p["th"]) and p["en"] and p["description"] for p in told)
    assert not [p["code"] for p in told if re.search("[ก-๙]", p["en"])]


# --- the document -------------------------------------------------------------------------------


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_every_reference_leads_somewhere() -> None:
    for reference in set(_references(DOCUMENT)):
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def test_nothing_that_was_written_is_left_unused() -> None:
    used = {r.rpartition("/")[2] for r in set(_references(DOCUMENT))}
    assert set(DOCUMENT["components"]["responses"]) <= used
    frame = json.loads((FOLDER / "frame.json").read_text(encoding="utf-8"))
    for part in ("examples", "bodies", "answers"):
        assert set(frame[part]) <= set(OPERATIONS), part
    assert {tag["name"] for tag in DOCUMENT["tags"]} == set(frame["tags"])
    named = {
        (name, parameter["name"])
        for name, (_, _, operation) in OPERATIONS.items()
        for parameter in operation.get("parameters", ())
        if "name" in parameter
    }
    special = {f"{operation} {name}" for operation, name in named} & set(frame["parameters"])
    plain = {name for operation, name in named if f"{operation} {name}" not in special}
    assert set(frame["parameters"]) == special | plain


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_says_what_it_does_who_may_and_how_it_fails(name: str) -> None:
    method, path, operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    statuses = set(operation["responses"])
    assert {"500", "503"} <= statuses
    if "x-permission" in operation:
        verb = operation["x-permission"]["verb"]
        assert set(operation["x-permission"]["roles"]) == {r.value for r in PERMISSIONS[verb]}
        assert operation["security"] == [{"bearer": []}, {"oauth2": []}]
        assert {"401", "403"} <= statuses
    else:
        assert operation["security"] == []
    if "requestBody" in operation and not name.startswith(("oauth.", "open311.")):
        assert {"400", "413", "422"} <= statuses
    if "{" in path:
        assert "404" in statuses
        named = {p.get("name") for p in operation["parameters"]}
        assert set(re.findall(r"\{(\w+)\}", path)) <= named
    assert method in ("get", "head", "post", "put", "patch", "delete")


READER_TAGS = {
    *("bridge", "desk", "intent", "offline_ticket", "reader_fleet", "reading", "reading_audit"),
}


def test_the_routes_of_card_readers_are_told_by_example() -> None:
    of = {n: o for n, (_, _, o) in OPERATIONS.items() if READER_TAGS & set(o["tags"])}
    assert len(of) > 55
    shown = {
        name
        for name, o in of.items()
        if "requestBody" in o
        and not any("examples" in c for c in o["requestBody"]["content"].values())
    }
    own = {"bridge.enrol", "bridge.poll_enrolment", "bridge.exchange"}  # docs/reader-protocol.md
    plain = {"bridge.edit", "bridge.revoke", "bridge_incident.look", "desk.edit"}  # one text
    plain |= {"reader_agency.write", "reading.bind_account"}
    assert shown == own | plain


def test_the_stream_of_intents_is_shown_as_it_comes() -> None:
    answer = OPERATIONS["intent.follow"][2]["responses"]["200"]["content"]["text/event-stream"]
    (example,) = answer["examples"].values()
    events = re.findall(r"event: (\w+)\ndata: (.+)\n", example["value"])
    assert [name for name, _ in events] == ["intent", "end"]
    schema = {"$ref": "#/components/schemas/Intent"}
    validator(schema).validate(json.loads(events[0][1]))
    assert json.loads(events[1][1])["code"] in CATALOGUE


def test_what_an_edit_needs_is_told_where_versions_are_compared() -> None:
    told = {n for n, (_, _, o) in OPERATIONS.items() if "#/components/parameters/IfMatch" in str(o)}
    assert {"visit.take_up", "visit.accept", "finding.confirm", "premises.correct"} <= told
    assert "visit.plan" not in told


def test_field_operations_are_told_apart_by_op() -> None:
    schema = DOCUMENT["components"]["schemas"]["FieldOperation"]
    assert schema["discriminator"]["propertyName"] == "op"
    assert set(schema["discriminator"]["mapping"]) == set(VERBS)


def test_what_a_phone_pulls_is_described_by_kind() -> None:
    assert set(RECORDS) == set(LOADERS)
    assert DOCUMENT["components"]["schemas"]["Change"]["properties"]["kind"]["enum"] == sorted(
        RECORDS
    )


async def test_where_unknown_fields_are_forbidden_the_document_says_so(world: World) -> None:
    plan = DOCUMENT["components"]["schemas"]["PlanVisit"]
    assert plan["additionalProperties"] is False
    assert "additionalProperties" not in DOCUMENT["components"]["schemas"]["RecordVisit"]
    body = {"premises": await world.premises(), "planned_on": "2026-11-23", "lead": world.head}
    body |= {"lead": world.inspector.account, "surprise": 1}
    refused = await world.head.put("/v1/visits/" + "0" * 8 + "-0000-7000-8000-" + "0" * 12)
    assert refused.status_code in (400, 422)
    refused = await world.head.put(
        "/v1/visits/00000000-0000-7000-8000-000000000001", content=encode(body)
    )
    assert refused.status_code == 422
    assert "surprise" in refused.text


def _examples() -> Iterator[tuple[str, str, dict[str, Any], Any]]:
    for name, (_, _, operation) in OPERATIONS.items():
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            for content in body.get("content", {}).values():
                for title, example in content.get("examples", {}).items():
                    yield name, title, content["schema"], example["value"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [pytest.param(s, v, id=f"{name}: {title}") for name, title, s, v in _examples()],
)
def test_every_example_is_of_the_shape_that_it_illustrates(
    schema: dict[str, Any], value: Any
) -> None:
    validator(schema).validate(value)


def test_the_examples_of_a_push_are_operations_that_the_server_reads() -> None:
    pushes = OPERATIONS["sync.push"][2]["requestBody"]["content"]["application/json"]["examples"]
    seen = set()
    for example in pushes.values():
        for operation in example["value"]["operations"]:
            msgspec.convert(operation, FieldOperation)
            seen.add(operation["op"])
    assert seen == set(VERBS)


async def test_what_a_phone_gets_is_of_the_documented_shape(world: World) -> None:
    visit = await world.begun()
    noted = [answer("E08", "fail"), answer("H04", 70.5), answer("Z99", "?")]
    pushed = await world.inspector.post(
        "/v1/sync", content=encode({"operations": [record(visit, start=gate(), answers=noted), 1]})
    )
    assert {r["status"] for r in pushed.json()["results"]} == {"flagged", "rejected"}
    validator(answers_with("sync.push")).validate(pushed.json())
    for operation, path in (
        ("sync.pull", "/v1/sync?limit=1000"),
        ("visit.read", f"/v1/visits/{visit}"),
        ("visit.pack", f"/v1/visits/{visit}/pack"),
        ("checklist.read", "/v1/checklists/1"),
        ("receipt.list", "/v1/sync/receipts"),
        ("factory.list", "/v1/factories?limit=200"),
    ):
        found = await world.inspector.get(path)
        assert found.status_code == 200, found.text
        validator(answers_with(operation)).validate(found.json())


def test_the_document_of_the_running_code_has_no_route_hidden_from_it() -> None:
    assert set(described.paths()) == set(DOCUMENT["paths"])


# --- the page -----------------------------------------------------------------------------------


async def test_the_interactive_page_names_no_other_host(world: World) -> None:
    page = await world.nobody.get("/docs")
    script = await world.nobody.get("/docs/start.js")
    back = await world.nobody.get("/docs/signed-in")
    for found in (page, script, back):
        assert found.status_code == 200
        assert not re.search(r"(https?:)?//[a-z]", found.text), found.text
        policy = found.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert not re.search(r"https?:|\*|unsafe-eval|script-src[^;]*unsafe", policy)
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text + back.text)
    named += re.findall(r'url: "([^"]+)"', script.text)
    assert "/docs/openapi.json" in named
    for path in named:
        assert path.startswith("/docs/")
        assert (await world.nobody.get(path)).status_code == 200, path
    assert "validatorUrl: null" in script.text


async def test_the_page_has_no_script_of_its_own_inside(world: World) -> None:
    for path in ("/docs", "/docs/signed-in", "/"):
        text = (await world.nobody.get(path)).text
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|javascript:", text)


async def test_signing_in_from_the_page_comes_back_to_it(world: World) -> None:
    """Authorization code with PKCE, as Swagger UI asks for it."""
    asked = {
        "response_type": "code",
        "client_id": "superapp-docs",
        "redirect_uri": "http://testserver/docs/signed-in",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",  # RFC 7636, appendix B
        "code_challenge_method": "S256",
        "state": "c3RhdGU=",
    }
    found = await world.nobody.get("/oauth/authorize", params=asked)
    assert found.status_code == 302, found.text
    # No provider can be reached here, and that is told at the page's own address: it is known.
    assert found.headers["location"].startswith(asked["redirect_uri"])
    elsewhere = asked | {"redirect_uri": "http://elsewhere.invalid/docs/signed-in"}
    refused = await world.nobody.get("/oauth/authorize", params=elsewhere)
    assert refused.json()["code"] == "accounts/unknown-client"


@pytest.mark.parametrize("name", sorted(ASSETS))
async def test_every_file_of_the_documentation_is_served(world: World, name: str) -> None:
    found = await world.nobody.get(f"/docs/{name}")
    assert found.status_code == 200
    assert found.content == (ASSETS[name][0] / name).read_bytes()
    media = ASSETS[name][1]
    charset = "; charset=utf-8" if media.startswith("text/") else ""
    assert found.headers["content-type"] == media + charset


@pytest.mark.parametrize(
    "name", ["frame.json", "..%2fpyproject.toml", "%2e%2e/pyproject.toml", "index.html", "a%00b"]
)
async def test_no_other_file_is(world: World, name: str) -> None:
    assert (await world.nobody.get(f"/docs/{name}")).status_code == 404


# --- what a phone's developer reads -------------------------------------------------------------


def _flags_of_the_code() -> set[str]:
    """Of what phones send; those of complaints are their own page's."""
    files = (ROOT / "api").rglob("*.py")
    return _flags_in(path for path in files if "complaints" not in path.parts)


def _flags_in(files: Iterable[Path]) -> set[str]:
    found = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Flag", "flag", "_flag"):
                for part in node.args[:1]:
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        found.add(part.value)
    return found


def test_the_page_on_sync_explains_every_flag_and_invents_none() -> None:
    table = SYNC.partition("## 7. Flags")[2].partition("## 8.")[0]
    told = set(re.findall(r"`([a-z]+\.[a-z_]+)`", re.sub(r"`rules\.md`", "", table)))
    flags = _flags_of_the_code()
    assert len(flags) > 30
    assert flags - told == set()
    assert told - flags == set()


def test_the_page_on_sync_says_what_to_do_on_every_problem_of_an_operation() -> None:
    table = SYNC.partition("## 8.")[2].partition("## 9.")[0]
    silent = {p.code for p in RESULT_PROBLEMS if f"`{p.code}`" not in table}
    assert not {code for code in silent if not code.startswith("factories/")}
    named = set(re.findall(r"`([a-z]+/[a-z-]+)`", SYNC)) - {"ground/fault"}
    assert named <= set(CATALOGUE)


def test_the_page_on_sync_names_every_operation_and_kind() -> None:
    for name in [*VERBS, *RECORDS]:
        assert f"`{name}`" in SYNC, name


def test_no_page_for_developers_names_a_machine_or_a_workplace() -> None:
    for path in [*FOLDER.glob("*"), *(ROOT / "docs").rglob("*.md"), Path(ROOT / "README.md")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/root/|/home/\w|/tmp/\w", text), path


COMPLAINTS = (FOLDER / "complaints.md").read_text(encoding="utf-8")


def test_the_page_on_complaints_explains_every_flag_and_status_and_invents_none() -> None:
    flags = COMPLAINTS.partition("## 4. Flags")[2]
    told = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)`", flags, re.MULTILINE))
    assert told == _flags_in((ROOT / "api" / "complaints").rglob("*.py"))
    statuses = COMPLAINTS.partition("## 3. Statuses")[2].partition("## 4.")[0]
    rows = re.findall(r"^\| `([a-z_]+)` \| ([^|]+) \|", statuses, re.MULTILINE)
    assert dict(rows[1:]) == {str(k): v for k, v in complaints.PUBLIC_TH.items()}


def test_the_codes_of_the_page_on_complaints_are_right() -> None:
    rows = re.findall(r"^\| `(\w{26})` \| `([\w-]+)` \|", COMPLAINTS, re.MULTILINE)
    assert len(rows) > 1
    for begun, shown in rows:
        code = codes.completed(begun, codes.SECRET)
        assert code is not None and codes.shown(code) == shown
    program = COMPLAINTS.partition("```python\n")[2].partition("```")[0]
    values = {"values": [codes.ALPHABET.index(c) for c in rows[0][0]]}
    exec(program, values)  # the page's own words
    assert codes.ALPHABET[values["check"]] == rows[0][1][-1]  # type: ignore[call-overload]
