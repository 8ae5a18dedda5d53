"""Every person at every route of somebody else's reading: nothing is told, nothing moves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from api import clock, codes, ids
from api.accounts import authentication, tokens
from api.accounts import seed as accounts
from api.accounts import service as service_of_accounts
from api.accounts.samples import SAMPLES
from api.db import Database
from api.permissions import Worker
from api.readers.model import Purpose
from tests.complaints.conftest import told
from tests.inspection.orders import service, signed
from tests.readers.device import SAMPLE, Desk, at_desk
from tests.world import Person, World, encode

OTHERS = [s.key for s in SAMPLES if s.key != "inspector"]


class Held(msgspec.Struct):
    """What an inspector has: readings of three kinds, the order of the first, and an intent."""

    desk: Desk
    order: str
    line: str
    intent: UUID
    readings: list[UUID]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def held(db: Database, world: World) -> Held:
    desk = await at_desk(db, world)
    order = await signed(world)
    waiting = await desk.arm(Purpose.serve_order, about=UUID(order["id"]))
    online = (await desk.read(waiting, purpose="serve_order")).reading
    offline = (await desk.read(await desk.ticket())).reading
    seen = ids.new()
    document = {"kind": "passport", "why": "foreigner", "name": "SAMPLE-NAME", "number": "AA01"}
    body = {"desk": desk.desk, "purpose": "identify_complainant", "document": document}
    found = await world.inspector.put(f"/v1/readings/{seen}", content=encode(body))
    assert found.status_code == 200 and online is not None and offline is not None
    line = await desk.value("select id from officer where account <> $1 limit 1", desk.account)
    open_one = await desk.arm()
    return Held(desk, order["id"], str(line), open_one.id, [online, offline, seen])


async def state(held: Held) -> list[Any]:
    sql = "select to_jsonb(r)::text from reading r where id = $1"
    rows = [await held.desk.value(sql, id) for id in held.readings]
    rows.append(
        await held.desk.value("select to_jsonb(i)::text from intent i where id = $1", held.intent)
    )
    return rows


def tries(held: Held, reading: UUID, order: str) -> list[tuple[str, str, Any]]:
    path = f"/v1/readings/{reading}"
    document = {"kind": "passport", "why": "foreigner", "name": "SAMPLE-NAME", "number": "AA01"}
    desk = {"desk": held.desk.desk, "purpose": "identify_complainant"}
    proof = {"type": "card", "reading": reading, "capacity": "director"}
    return [
        ("GET", path, None),
        ("GET", f"{path}/photo", None),
        ("PUT", path, desk | {"document": document}),
        ("POST", f"{path}/face-match", {"matches": True, "against": "printed"}),
        ("POST", f"{path}/face-match", {"matches": False, "against": "printed"}),
        ("POST", f"{path}/bind-account", {"code": codes.shown(codes.new(8))}),
        ("POST", f"/v1/officers/{held.line}/confirm", {"reading": reading}),
        ("PUT", f"/v1/complaints/{ids.new()}", told(channel="desk", reading=reading)),
        ("PUT", f"/v1/complaints/{ids.new()}", told(reading=reading)),
        ("PUT", f"/v1/orders/{order}/service/{ids.new()}", service("personal", proof=proof)),
        ("GET", f"/v1/intents/{held.intent}", None),
        ("PUT", f"/v1/intents/{held.intent}", desk),
        ("POST", f"/v1/intents/{held.intent}/cancel", None),
    ]


async def refused(person: Person, held: Held, readings: list[UUID], order: str) -> None:
    before = await state(held)
    assert SAMPLE.cid is not None and SAMPLE.name_th is not None
    for reading in readings:
        for method, path, body in tries(held, reading, order):
            content = None if body is None else encode(body)
            found = await person.request(method, path, content=content)
            at = (person.key, method, path, found.text[:300])
            assert found.status_code in (401, 403, 404, 409, 422), at
            assert found.status_code != 409 or "reading-not-at-desk" in found.text, at
            assert SAMPLE.cid not in found.text and SAMPLE.name_th.last not in found.text, at
            assert "SAMPLE-NAME" not in found.text and "AA01" not in found.text, at
        for path in ("/v1/readings", "/v1/intents"):
            found = await person.request("GET", path)
            listed = found.text if found.status_code == 200 else ""
            assert str(reading) not in listed and str(held.intent) not in listed, person.key
    assert await state(held) == before


@pytest.mark.parametrize("key", OTHERS)
async def test_nobody_else_sees_moves_or_uses_what_was_read_for_an_officer(
    world: World, held: Held, key: str
) -> None:
    async with world.db.begin(Worker("test")) as tx:
        await tx.run("delete from rate_limit where bucket like 'account-code%'")
    await refused(world[key], held, held.readings, held.order)


async def test_without_signing_in_nothing_of_a_reading_is_had(world: World, held: Held) -> None:
    await refused(world.nobody, held, held.readings, held.order)


async def another_session(world: World, key: str = "inspector") -> Person:
    async with world.db.begin(Worker("test")) as tx:
        _, made = await accounts.sign_in(tx, key)
    return Person(world.http, key, world[key].account, made.access_token)


async def test_another_session_of_the_same_officer_has_only_what_came_offline(
    world: World, held: Held
) -> None:
    second = await another_session(world)
    online, offline, seen = held.readings
    await refused(second, held, [online, seen], held.order)
    assert (await second.get(f"/v1/readings/{offline}")).json()["card"]["cid"] == SAMPLE.cid


@pytest.mark.parametrize("how", ["signed-out", "suspended", "without-a-role"])
async def test_who_has_signed_out_was_suspended_or_has_left_uses_nothing_any_more(
    world: World, db: Database, held: Held, how: str
) -> None:
    officer = await another_session(world, "inspector-2")
    session = tokens.read(officer.token, clock.now()).sid
    assert officer.account is not None
    desk = await Desk(db, officer.account, session, held.desk.office).put_up()
    waiting = await desk.arm(Purpose.serve_order, about=UUID(held.order))
    online = (await desk.read(waiting, purpose="serve_order")).reading
    offline = (await desk.read(await desk.ticket())).reading
    assert online is not None and offline is not None
    roles = "update account_role set ended_at = {} where account = $1"
    if how == "signed-out":
        await officer.post("/v1/session/end")
    async with db.begin(Worker("test")) as tx:
        if how == "suspended":
            await service_of_accounts.suspend(tx, officer.account, "ทดสอบ")
        if how == "without-a-role":
            await tx.run(roles.format("now()"), officer.account)
    try:
        if how == "without-a-role":
            authentication.forget_account(officer.account)  # reads lag by 30 seconds at most
        await refused(officer, held, [online, offline], held.order)
    finally:
        async with db.begin(Worker("test")) as tx:
            if how == "suspended":
                await service_of_accounts.restore(tx, officer.account)
            if how == "without-a-role":
                await tx.run(roles.format("null"), officer.account)
        authentication.forget_account(officer.account)
        world["inspector-2"].since = -1e9  # its session may be over too: signs in anew
