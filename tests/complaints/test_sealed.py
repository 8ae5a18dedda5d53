"""Who told a complaint: opened by nobody without authority and reason, and to be found nowhere."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import UUID

import httpx
import pytest

from api import ids
from api.accounts import authority
from api.accounts.model import AuthorityGrant, Power
from api.accounts.samples import BY_KEY
from api.complaints.desk import service as desk
from api.permissions import Worker
from tests import described
from tests.complaints.conftest import begun, by_code, detail, do, secret, tell
from tests.world import Person, World, encode

NAME, PHONE, EMAIL = "นางสาวปิดผนึก มิให้ผู้ใดทราบ", "0899990001", "sealed-sample@example.invalid"
CONTACT = {"name": NAME, "phone": PHONE, "email": EMAIL}
REASON = "สอบปากคำผู้เสียหายตามที่พนักงานสอบสวนร้องขอ (ตัวอย่าง)"


@pytest.fixture
async def trusted(world: World) -> AsyncIterator[Person]:
    """The head, with a dated authority to unseal in Samut Prakan."""
    id = ids.new()
    grant = AuthorityGrant(
        account=world.head.account or ids.new(),
        power=Power.unseal,
        section=desk.SECTION,
        area=["11"],
        instrument="คำสั่งตัวอย่างที่ 1/2569",
        valid_from=date(2026, 1, 1),
    )
    async with world.db.begin(Worker("test")) as tx:
        await authority.grant_authority(tx, id, grant)
    yield world.head
    async with world.db.begin(Worker("test")) as tx:
        await authority.revoke_authority(tx, id)


async def unseal(person: Person, id: UUID, **body: Any) -> httpx.Response:
    asked = {"reason": REASON} | body
    return await person.post(f"/v1/complaints/{id}/identity", content=encode(asked))


async def test_without_a_dated_authority_and_a_reason_nobody_opens_the_seal(world: World) -> None:
    id = await begun(world, contact=CONTACT)
    for key, status, code in (
        ("inspector", 403, "ground/not-allowed"),
        ("provincial-officer", 403, "ground/not-allowed"),
        ("auditor", 403, "ground/not-allowed"),
        ("administrator", 403, "ground/not-allowed"),
        ("head", 403, "accounts/authority-needed"),
        ("department", 403, "accounts/authority-needed"),
        ("ministry", 403, "accounts/authority-needed"),
    ):
        refused = await unseal(world[key], id)
        assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
        assert NAME not in refused.text
    async with world.db.read() as tx:
        opened = "select count(*) from event where name like '%identity_opened' and record = $1"
        assert await tx.value(opened, id) == 0


async def test_opening_takes_a_reason_that_the_complainant_reads(
    world: World, trusted: Person
) -> None:
    mine = secret()
    id = await begun(world, secret=mine, contact=CONTACT)
    for reason in ("", "  "):
        assert (await unseal(trusted, id, reason=reason)).status_code == 422
    opened = await unseal(trusted, id)
    assert opened.status_code == 200, opened.text
    found = opened.json()
    assert (found["name"], found["phone"], found["email"]) == (NAME, PHONE, EMAIL)
    assert (found["known"], found["account_name"]) == (True, "")
    seen = (await by_code(world, mine).get(f"/v1/own-complaints/{id}")).json()["openings"]
    assert [(o["reason"], "สมุทรปราการ" in o["office_th"]) for o in seen] == [(REASON, True)]
    assert str(trusted.account) not in json.dumps(seen)
    (trace,) = (await world.auditor.get(f"/v1/complaints/{id}/views?limit=1")).json()["items"]
    assert (trace["what"], trace["account"], trace["reason"]) == (
        "identity_opened",
        str(trusted.account),
        REASON,
    )


async def test_an_authority_of_another_section_power_province_or_time_opens_nothing(
    world: World,
) -> None:
    id = await begun(world, contact=CONTACT)
    whole: dict[str, Any] = {
        "account": world.department.account,
        "power": Power.unseal,
        "section": desk.SECTION,
        "instrument": "ตัวอย่าง",
        "valid_from": date(2026, 1, 1),
    }
    for other in (
        {"section": "37"},
        {"power": Power.sign_order},
        {"area": ["21"]},
        {"valid_from": date(2025, 1, 1), "valid_to": date(2025, 12, 31)},
    ):
        grant = ids.new()
        async with world.db.begin(Worker("test")) as tx:
            await authority.grant_authority(tx, grant, AuthorityGrant(**(whole | other)))
        refused = await unseal(world.department, id)
        assert (refused.status_code, refused.json()["code"]) == (403, "accounts/authority-needed")
        async with world.db.begin(Worker("test")) as tx:
            await authority.revoke_authority(tx, grant)


async def test_told_by_an_account_it_is_the_name_that_the_provider_verified(
    world: World, trusted: Person
) -> None:
    id = ids.new()
    assert (await tell(world.citizen, id)).status_code == 200
    found = (await unseal(trusted, id)).json()
    assert (found["known"], found["name"], found["account_name"]) == (
        True,
        "",
        BY_KEY["citizen"].name,
    )
    nameless = ids.new()
    assert (await tell(world.citizen, nameless, anonymous=True)).status_code == 200
    assert (await unseal(trusted, nameless)).json()["known"] is False


async def _theirs(world: World, person: Person) -> list[dict[str, Any]]:
    found = await person.get("/v1/own-complaints", params={"limit": 100})
    items: list[dict[str, Any]] = found.json()["items"]
    return items


async def test_of_those_who_said_me_too_each_seal_is_opened_alone(
    world: World, trusted: Person
) -> None:
    mine = secret()
    id = await begun(world, secret=mine, contact=CONTACT)
    async with world.db.begin(Worker("test")) as tx:
        account = world.citizen.account
        await tx.run(
            """
            insert into complainant (id, complaint, kind, account, secret, created_at)
            values ($1, $2, 'me_too', $3, $4, now())
            """,
            ids.new(),
            id,
            account,
            ids.new().bytes,
        )
    (item,) = [i for i in await _theirs(world, world.citizen) if i["me_too"]]
    assert item["openings"] == []
    missing = await unseal(trusted, id, me_too=2)
    assert (missing.status_code, missing.json()["code"]) == (404, "complaints/no-such-complainant")
    found = (await unseal(trusted, id, me_too=1)).json()
    assert (found["name"], found["account_name"]) == ("", BY_KEY["citizen"].name)
    seen = (await by_code(world, mine).get(f"/v1/own-complaints/{id}")).json()
    assert seen["openings"] == [], "it was not their seal"
    (item,) = [i for i in await _theirs(world, world.citizen) if i["me_too"]]
    (opening,) = item["openings"]
    assert opening["office_th"] and opening["reason"], "whose seal it was reads who opened it"
    assert "account" not in opening


async def test_another_provinces_complaint_is_not_there_to_be_opened(
    world: World, trusted: Person
) -> None:
    id = ids.new()
    await tell(world.nobody, id, place={"province": "21"}, contact=CONTACT)
    assert (await unseal(trusted, id)).status_code == 404


async def test_an_erased_complainant_is_nobody_to_be_opened(world: World, trusted: Person) -> None:
    from api import sealed

    id = await begun(world, contact=CONTACT)
    async with world.db.begin(Worker("test")) as tx:
        key = await tx.value("select data_key from complainant where complaint = $1", id)
        await sealed.destroy_key(tx, key, reason="test")
    found = await unseal(trusted, id)
    assert (found.status_code, found.json()["code"]) == (404, "ground/erased")


# --- the search for what is sealed ----------------------------------------------------------------


class Heard(logging.Handler):
    """Every line that any logger writes, with all that hangs on it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.__dict__}")


TABLES = (
    *("event", "change", "job", "deadline", "message", "complaint", "complaint_entry"),
    *("rate_limit", "visit", "finding", "evidence", "upload", "document", "operation"),
)


async def test_of_a_complainant_nothing_is_in_any_answer_log_line_event_or_job(
    world: World, trusted: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signed-in complainant with contact: name, phone, e-mail, national ID, account and code."""
    bodies: list[tuple[str, str]] = []
    sent = httpx.AsyncClient.request

    async def listening(self: httpx.AsyncClient, method: str, url: Any, **kw: Any) -> Any:
        answer = await sent(self, method, url, **kw)
        bodies.append((f"{method} {url}", answer.text + str(answer.headers)))
        return answer

    heard, root = Heard(), logging.getLogger()
    level = root.level
    root.addHandler(heard)
    root.setLevel(logging.INFO)  # what a server writes; at DEBUG the loop and the driver talk too
    monkeypatch.setattr(httpx.AsyncClient, "request", listening)
    try:
        told_from = len(bodies)
        mine, id, other = secret(), ids.new(), ids.new()
        contact = CONTACT | {"callback": True}
        assert (await tell(world.citizen, id, secret=mine, contact=contact)).status_code == 200
        assert (await tell(world.citizen, other, contact=contact)).status_code == 200
        del bodies[told_from:]  # their own answers hold their own code
        await _life(world, id, other)
        await _everybody_reads(world, id)
        await world.work()
        opened = len(bodies)
        assert (await unseal(trusted, id)).status_code == 200
        del bodies[opened:]  # the one answer that may hold it
        await _everybody_reads(world, id)
    finally:
        root.removeHandler(heard)
        root.setLevel(level)
    hidden = {
        *(NAME, "ปิดผนึก", PHONE, PHONE[1:], EMAIL, BY_KEY["citizen"].cid),
        *(BY_KEY["citizen"].name, mine, mine[:12]),
    }
    escaped = {json.dumps(text)[1:-1] for text in hidden}  # as JSON might spell it
    for where, text in bodies:
        assert not [h for h in hidden | escaped if h in text], where
        assert str(world.citizen.account) not in text, where
    lines = "\n".join(heard.lines)
    assert str(id) in lines or "complaints" in lines, "nothing was heard"
    assert not [h for h in hidden | escaped if h in lines]
    async with world.db.read() as tx:
        for table in TABLES:
            rows = await tx.values(f"select to_jsonb(x)::text from {table} x")
            for h in hidden | escaped:
                assert not [r for r in rows if h in r and str(id) in r], (table, h)
            assert not [r for r in rows if NAME in r or PHONE in r or EMAIL in r], table
        events = await tx.values(
            "select to_jsonb(e)::text from event e where record = $1 or facts::text like $2",
            id,
            f"%{id}%",
        )
        assert len(events) > 8
        assert not [e for e in events if str(world.citizen.account) in e]


async def _life(world: World, id: UUID, other: UUID) -> None:
    """All that the desk may do, on both."""
    inspector = {"officer": world.inspector.account}
    said = {"text": "คำชี้แจง (ตัวอย่าง)"}
    for person, verb, body in (
        (world.head, "accept", None),
        (world.head, "assign", inspector),
        (world.inspector, "begin", None),
        (world.inspector, "ask", said | {"id": ids.new()}),
        (world.inspector, "inform", said | {"id": ids.new()}),
        (world.inspector, "resolve", said | {"outcome": "substantiated"}),
        (world.head, "reopen", said),
        (world.head, "assign", inspector),
        (world.head, "forward", said | {"responsible": {"outside": "หน่วยงานอื่น"}}),
        (world.head, "close", said),
    ):
        done = await do(person, id, verb, body)
        assert done.status_code == 200, done.text
    for kind in ("notes", "messages", "calls"):
        body = said | ({"reached": True} if kind == "calls" else {})
        put = f"/v1/complaints/{id}/{kind}/{ids.new()}"
        assert (await world.inspector.put(put, content=encode(body))).status_code == 200
    assert (await do(world.head, other, "merge", said | {"into": id})).status_code == 200


_PARAMETER = re.compile(r"{[a-z_]+}")
_READ = sorted(
    path
    for path, item in described.paths().items()
    if "get" in item and any(word in path for word in ("complaint", "public", "open311", "case"))
)
_WANTED = {"/v1/complaints-nearby": {"lat": 13.6, "lng": 100.6, "category": "odour"}}


def test_every_way_to_read_complaints_is_among_those_that_are_searched() -> None:
    assert {"/v1/complaints.csv", "/v1/public/complaints.geojson", "/v1/complaints-nearby"} <= {
        *_READ
    }
    assert len(_READ) > 20


async def _everybody_reads(world: World, id: UUID) -> None:
    officers = [p for key, p in world.people.items() if key != "citizen"]
    for person in [*officers, world.nobody]:
        for path in (
            f"/v1/complaints/{id}",
            f"/v1/complaints/{id}/views",
            "/v1/complaints?limit=100",
            "/v1/complaints?everywhere=true&limit=100",
            "/v1/complaints?state=closed&state=duplicate&everywhere=true&limit=100",
            "/v1/complaints?callback=true&limit=100",
            f"/v1/own-complaints/{id}",
            "/v1/own-complaints",
            "/v1/sync?kind=complaint",
            "/v1/messages",
            *(_PARAMETER.sub(str(id), path) for path in _READ),
        ):
            answer = await person.get(path, params=_WANTED.get(path))
            assert answer.status_code < 500, (path, answer.text)
        for verb in ("accept", "identity"):
            refused = await person.post(f"/v1/complaints/{id}/{verb}", version=10**6, content=b"{}")
            assert refused.status_code in (401, 403, 404, 409, 422), refused.text


async def test_to_officers_a_complaint_of_an_account_looks_like_one_without(
    world: World,
) -> None:
    """Whether somebody can be reached is told; who, and by what, is not."""
    signed, contact, none = ids.new(), ids.new(), ids.new()
    await tell(world.citizen, signed)
    await tell(world.nobody, contact, contact=CONTACT)
    await tell(world.nobody, none)
    seen = [await detail(world.head, id) for id in (signed, contact, none)]
    assert [s["contactable"] for s in seen] == [True, True, False]
    own = {"id", "number", "contactable", "received_at", "clocks", "next_due"}
    shapes = [{k: v for k, v in s.items() if k not in own} for s in seen]
    assert shapes[0] == shapes[1] == shapes[2]


async def test_forty_openings_at_once_are_forty_that_the_complainant_sees(
    world: World, trusted: Person
) -> None:
    mine = secret()
    id = await begun(world, secret=mine, contact=CONTACT)
    answers = await asyncio.gather(*(unseal(trusted, id) for _ in range(40)))
    assert {a.status_code for a in answers} == {200}
    seen = (await by_code(world, mine).get(f"/v1/own-complaints/{id}")).json()["openings"]
    assert len(seen) == 40


def test_the_section_of_the_authority_is_one_of_the_act() -> None:
    assert authority.section_of(desk.SECTION) == desk.SECTION
