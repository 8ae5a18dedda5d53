"""Officers' lists of complaints, who looks at what, and what phones hold of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from api import clock, ids
from api.complaints.desk import reading as desk_reading
from api.db import Tx
from api.permissions import Role, Session
from tests.complaints.conftest import begun, detail, do, tell
from tests.world import Person, World, encode, now


@contextmanager
def counted() -> Iterator[list[str]]:
    """Every statement that runs inside, but the one that looks up the session."""
    said: list[str] = []
    kept = {name: getattr(Tx, name) for name in ("all", "maybe_one", "value", "values", "run")}

    def wrap(name: str) -> Any:
        async def call(self: Tx, *args: Any) -> Any:
            sql = next(a for a in args if isinstance(a, str))
            if "from session" not in sql:
                said.append(sql)
            return await kept[name](self, *args)

        return call

    for name in kept:
        setattr(Tx, name, wrap(name))
    try:
        yield said
    finally:
        for name, method in kept.items():
            setattr(Tx, name, method)


async def listed(person: Person, query: str = "") -> list[dict[str, Any]]:
    """Every page, one after the other."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        at = f"&cursor={cursor}" if cursor else ""
        page = await person.get(f"/v1/complaints?limit=3{query}{at}")
        assert page.status_code == 200, page.text
        found += page.json()["items"]
        cursor = page.json()["next"]
        if cursor is None:
            return found


async def known(person: Person, query: str = "") -> list[UUID]:
    return [UUID(item["id"]) for item in await listed(person, query)]


async def test_a_page_is_one_statement_whatever_is_in_it(world: World) -> None:
    site = await world.premises()
    for n in range(21):
        await tell(world.nobody, factory={"premises": site} if n % 2 else {})
    for query in ("", "?everywhere=true", "?mine=true", "?state=closed&everywhere=true"):
        with counted() as said:
            answer = await world.head.get(f"/v1/complaints{query}")
        assert answer.status_code == 200
        assert len(said) == 1, said
    with counted() as said:
        page = await world.department.get("/v1/complaints?everywhere=true")
    assert len(said) == 1 and len(page.json()["items"]) == 20 and page.json()["next"]


async def test_what_is_due_first_comes_first_and_what_waits_comes_last(world: World) -> None:
    waiting, urgent, plain = await begun(world), ids.new(), ids.new()
    await do(world.inspector, waiting, "ask", {"id": ids.new(), "text": "x"})
    await tell(world.nobody, plain)
    await tell(world.nobody, urgent, answers={"ill": "yes"})
    found = await listed(world.head)
    due = [item["next_due"] or "9" for item in found]
    assert due == sorted(due)
    at = {item["id"]: n for n, item in enumerate(found)}
    assert len(at) == len(found), "every complaint stands on one page only"
    assert at[str(urgent)] < at[str(plain)] < at[str(waiting)]


async def test_a_list_is_narrowed_by_what_is_asked(world: World) -> None:
    id, other, site = ids.new(), ids.new(), await world.premises()
    await tell(world.nobody, id, category="noise", answers={}, factory={"premises": site})
    await tell(world.nobody, other, answers={"ill": "yes"})
    mine = await begun(world)
    async with world.db.begin() as tx:
        await tx.run("update complaint set next_due = $2 where id = $1", other, now())
    head = world.head
    assert id in await known(head, "&category=noise")
    assert other not in await known(head, "&category=noise")
    assert other in await known(head, "&severity=emergency")
    assert id not in await known(head, "&severity=emergency")
    assert other in await known(head, "&overdue=true")
    assert not {id, mine} & set(await known(head, "&overdue=true"))
    assert {item["overdue"] for item in await listed(head, "&overdue=true")} == {True}
    assert id in await known(head, "&subject=named")
    assert other in await known(head, "&subject=unknown")
    assert mine in await known(head, "&state=in_progress&state=assigned")
    assert id not in await known(head, "&state=in_progress&state=assigned")
    assert await known(world.inspector, "&mine=true") and mine in await known(
        world.inspector, "&mine=true"
    )
    assert await known(head, "&mine=true") == []
    assert await known(head, "&province=21") == []
    assert id in await known(world.department, "&province=11")
    (line,) = [i for i in await listed(head, "&category=noise") if i["id"] == str(id)]
    assert line["premises"] == str(site) and line["factory"]


async def test_ended_ones_are_listed_by_the_newest_and_only_when_asked_for(world: World) -> None:
    ended = [await begun(world) for _ in range(4)]
    for id in ended:
        await do(world.inspector, id, "resolve", {"outcome": "no_evidence", "text": "x"})
    assert not set(ended) & set(await known(world.head))
    assert (await known(world.head, "&state=resolved"))[:4] == ended[::-1]
    assert (await known(world.inspector, "&state=resolved&mine=true"))[:4] == ended[::-1]
    assert (await known(world.auditor, "&state=resolved&province=11"))[:4] == ended[::-1]


async def test_the_desk_of_another_office_shows_nothing_of_ours(world: World) -> None:
    id = ids.new()
    await tell(world.nobody, id)
    ours = (await detail(world.head, id))["office"]
    elsewhere = world["inspector-elsewhere"]
    for query in ("", "&everywhere=true", "&province=11", f"&office={ours}", "&state=submitted"):
        assert id not in await known(elsewhere, query)
        if query != "&state=submitted":
            assert id not in await known(world.local_officer, query)
    assert id in await known(world.head, f"&office={ours}")
    assert id in await known(world.ministry), "who has no desk sees all there is"
    assert id not in await known(world.department), "the department's desk is its own"


async def test_an_office_reads_what_it_answers_for_in_whatever_province(world: World) -> None:
    """The Industrial Estate Authority has no province, an office may get one by a rule."""
    id = ids.new()
    await tell(world.nobody, id, place={"province": "21"})
    assert (await world.head.get(f"/v1/complaints/{id}")).status_code == 404
    async with world.db.begin() as tx:
        office = await tx.value("select office from account where id = $1", world.head.account)
        await tx.run("update complaint set office = $2 where id = $1", id, office)
    assert (await detail(world.head, id))["place"]["province"] == "21"
    assert id in await known(world.head)
    assert (await do(world.head, id, "accept")).status_code == 200


async def test_a_complaint_is_found_by_the_number_that_its_teller_reads_aloud(
    world: World,
) -> None:
    id, there = ids.new(), ids.new()
    number = (await tell(world.nobody, id)).json()["number"]
    other = (await tell(world.nobody, there, place={"province": "21"})).json()["number"]

    async def found(person: Person, typed: str) -> list[str]:
        page = await person.get("/v1/complaints", params={"number": typed})
        assert page.status_code == 200, page.text
        return [item["id"] for item in page.json()["items"]]

    for typed in (number, number.replace("-", ""), f" {number.replace('-', ' ').lower()} "):
        assert await found(world.head, typed) == [str(id)], typed
    why = {"text": "x", "responsible": {"outside": "เทศบาลตัวอย่าง"}}
    assert (await do(world.head, id, "reject", why)).status_code == 200
    assert await found(world.head, number) == [str(id)], "whatever became of it"
    assert await found(world.inspector, other) == [], "out of their reach"
    assert await found(world.local_officer, number) == []
    assert await found(world.department, other) == [str(there)]
    wrong = number[:-1] + ("0" if number[-1] != "0" else "1")
    for typed in (wrong, "x", "", "๖๙", number + number, "P-1234-5678"):
        refused = await world.head.get("/v1/complaints", params={"number": typed})
        assert refused.status_code == 422, typed


async def test_a_cursor_of_another_list_is_refused_and_not_guessed(world: World) -> None:
    found = await world.head.get("/v1/complaints?cursor=nonsense")
    assert (found.status_code, found.json()["code"]) == (422, "ground/cursor-invalid")


# --- who looked -----------------------------------------------------------------------------------


async def traces(world: World, id: UUID) -> list[tuple[str, str | None]]:
    answer = await world.auditor.get(f"/v1/complaints/{id}/views")
    assert answer.status_code == 200, answer.text
    return [(t["what"], t["account"]) for t in answer.json()["items"]]


async def test_browsing_what_is_not_theirs_leaves_one_trace_an_hour(world: World) -> None:
    id = ids.new()
    await tell(world.nobody, id)
    for person in (world.inspector, world["provincial-officer"], world.head):
        await detail(person, id)  # it waits at the desk of their own office
    assert await traces(world, id) == []
    await do(world.head, id, "accept")
    await do(world.head, id, "assign", {"officer": world.inspector.account})
    await detail(world.inspector, id)  # it is theirs
    assert await traces(world, id) == []
    await asyncio.gather(*(detail(world["inspector-2"], id) for _ in range(5)))
    await detail(world.department, id)
    await detail(world.auditor, id)
    found = await traces(world, id)
    assert found == [
        ("viewed", str(world.auditor.account)),
        ("viewed", str(world.department.account)),
        ("viewed", str(world["inspector-2"].account)),
    ]
    with clock.travel(timedelta(minutes=61)):
        for key in ("inspector-2", "auditor"):
            await world.sign_in_again(key)
        await detail(world["inspector-2"], id)
        assert (await traces(world, id))[0] == ("viewed", str(world["inspector-2"].account))
        assert len(await traces(world, id)) == 4
    for key in ("inspector-2", "auditor"):
        await world.sign_in_again(key)


async def test_only_heads_and_auditors_learn_who_looked(world: World) -> None:
    id = await begun(world)
    for key in ("inspector", "provincial-officer", "ministry", "local-officer", "citizen"):
        assert (await world[key].get(f"/v1/complaints/{id}/views")).status_code == 403
    assert (await world.head.get(f"/v1/complaints/{id}/views")).status_code == 200


async def test_a_look_is_no_news_for_anybodys_phone(world: World) -> None:
    id = await begun(world)
    async with world.db.read() as tx:
        seq = "select max(seq) from change where record = $1"
        before = await tx.value(seq, id)
        await detail(world["inspector-2"], id)
        assert await tx.value(seq, id) == before


# --- phones ---------------------------------------------------------------------------------------


async def pulled(person: Person) -> dict[str, dict[str, Any]]:
    """Every complaint in the person's feed, and those that are gone as {}."""
    found, cursor = {}, None
    while True:
        params = {"kind": "complaint"} | ({"cursor": cursor} if cursor else {})
        page = await person.get("/v1/sync", params=params)
        assert page.status_code == 200, page.text
        for change in page.json()["changes"]:
            if change["kind"] == "complaint":
                found[change["id"]] = change.get("record") or {}
        if not page.json()["more"]:
            return found
        cursor = page.json()["next"]


async def test_the_phone_holds_the_complaints_of_its_officers_provinces(world: World) -> None:
    id, ended = await begun(world), await begun(world)
    await do(world.head, ended, "reopen", {"text": "x"})
    await do(world.inspector, ended, "resolve", {"outcome": "no_evidence", "text": "x"})
    await do(world.head, ended, "close", {"text": "จบ"})
    here = await pulled(world.inspector)
    mine = here[str(id)]
    received = clock.bangkok_date(datetime.fromisoformat(mine["received_at"]))
    year = clock.buddhist_year(received) % 100
    assert (mine["state"], mine["number"][:3]) == ("in_progress", f"{year}-")
    assert here[str(ended)] == {}, "what nobody has to do with leaves the phone"
    assert str(id) not in await pulled(world["inspector-elsewhere"])
    assert str(id) in await pulled(world.department)
    for key in ("operator", "stranger"):
        assert await pulled(world[key]) == {}
    assert str(id) not in json.dumps(await pulled(world.local_officer))


async def test_a_page_of_the_feed_reads_its_complaints_at_once(world: World) -> None:
    for _ in range(5):
        await begun(world)
    with counted() as said:
        answer = await world.inspector.get("/v1/sync?kind=complaint")
    assert answer.status_code == 200
    assert len([s for s in said if "from complaint" in s]) == 1, said


async def test_a_local_officers_phone_holds_what_its_own_office_answers_for(world: World) -> None:
    id, other = ids.new(), ids.new()
    await tell(world.nobody, id)
    await tell(world.nobody, other)
    async with world.db.begin() as tx:
        local = await tx.value("select id from office where code = 'local-11-sample'")
        ours = await tx.value("select office from complaint where id = $1", id)
        await tx.run("update complaint set office = $2 where id = $1", id, local)
    found = await pulled(world.local_officer)
    assert found[str(id)]["state"] == "submitted" and str(other) not in found
    await do(world.local_officer, id, "accept")
    body = {"text": "ไม่อยู่ในอำนาจท้องถิ่น", "responsible": {"office": ours}}
    done = await do(world.local_officer, id, "forward", body)
    assert done.status_code == 200, done.text
    assert (await pulled(world.local_officer))[str(id)] == {}, "it has left their office"
    assert (await pulled(world.inspector))[str(id)]["state"] == "forwarded"


# --- who has no desk ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["citizen", "operator", "stranger", "administrator"])
async def test_whoever_is_no_officer_has_no_desk(world: World, key: str) -> None:
    id = await begun(world)
    note = f"/v1/complaints/{id}/notes/{ids.new()}"
    assert (await world[key].get("/v1/complaints")).status_code == 403
    assert (await world[key].get(f"/v1/complaints/{id}")).status_code == 403
    assert (await world[key].put(note, content=encode({"text": "x"}))).status_code == 403


async def test_two_looks_that_both_found_no_trace_leave_one(world: World) -> None:
    id, person = await begun(world), world["inspector-2"]
    office = (await detail(world.head, id))["office"]
    actor = Session(
        person.account or ids.new(), ids.new(), frozenset({Role.inspector}), UUID(office), ("11",)
    )
    for _ in range(2):
        async with world.db.read(actor) as tx:
            await desk_reading._leave_trace(tx, id)
    seen = [account for what, account in await traces(world, id)]
    assert seen.count(str(person.account)) == 1
