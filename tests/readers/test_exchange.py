"""A desk where no WebSocket passes: the same over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.db import Database
from api.permissions import Worker
from api.readers.bridges.device_queries import Mark
from api.readers.channel import challenges, hub
from api.settings import Settings
from reader_bridge import messages
from reader_bridge.fields import Fault
from reader_bridge.messages import (
    Arm,
    Cancel,
    Challenge,
    Ended,
    Exchange,
    Exchanged,
    NotTaken,
    Progress,
    ReadersNow,
    Receipt,
    Tickets,
    Welcome,
)
from tests.readers.bridges import Bridge, Running, arm, running, screen
from tests.world import World


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two(conf: Settings, db: Database) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


class Caller:
    """A bridge that asks by HTTP, whichever server answers."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.challenge: bytes = b""

    async def begin(self, at: Running) -> None:
        async with at.http() as http:
            found = await http.get("/v1/bridge/challenge")
        self.challenge = msgspec.json.decode(found.content, type=Challenge).challenge

    async def post(self, at: Running, *said: Any, wait_s: int = 0, **hello: Any) -> httpx.Response:
        body = Exchange(
            hello=self.bridge.hello(self.challenge, **hello), messages=list(said), wait_s=wait_s
        )
        async with at.http() as http:
            return await http.post("/v1/bridge/exchange", content=messages.encode(body))

    async def say(self, at: Running, *said: Any, wait_s: int = 0, **hello: Any) -> list[Any]:
        """What the server says, without its welcome."""
        answer = await self.post(at, *said, wait_s=wait_s, **hello)
        assert answer.status_code == 200, answer.text
        found = msgspec.json.decode(answer.content, type=Exchanged)
        self.challenge = found.challenge.challenge
        welcome, *rest = found.messages
        assert isinstance(welcome, Welcome)
        self.bridge.know(welcome.keys)
        return [self.bridge.told(message) for message in rest]


async def caller(db: Database, world: World, at: Running) -> Caller:
    found = Caller(await Bridge.enrolled(db, world.inspector))
    await found.begin(at)
    return found


async def test_a_card_is_read_without_any_socket(
    one: Running, two: Running, world: World, db: Database
) -> None:
    desk = await caller(db, world, one)
    assert await desk.say(one) == [Tickets(())]
    waiting = asyncio.create_task(desk.say(one, wait_s=20))
    await asyncio.sleep(0.3)
    made = await arm(two, world, world.inspector, desk.bridge)
    (told,) = await asyncio.wait_for(waiting, 4)
    assert isinstance(told, Arm) and str(told.intent) == made.json()["id"]
    said = desk.bridge.stated(told)
    desk.bridge.sequence, head = 0, desk.bridge.head  # it has not its receipt yet
    desk.bridge.head, before = messages.GENESIS, head
    (receipt,) = await desk.say(one, said)
    assert isinstance(receipt, Receipt) and receipt.refused is None and receipt.sha256 == before
    desk.bridge.sequence, desk.bridge.head = 1, before
    found = (await world.inspector.get(f"/v1/intents/{told.intent}")).json()
    assert found["state"] == "delivered" and found["reading"] == str(receipt.reading)


async def test_what_the_device_did_not_sign_moves_neither_its_readers_nor_a_screen(
    one: Running, world: World, db: Database
) -> None:
    """Whoever sees an exchange has its hello, and may send it again with other words."""
    desk = await caller(db, world, one)
    made = (await arm(one, world, world.inspector, desk.bridge)).json()
    intent = UUID(made["id"])
    forged = (Progress(intent, "reading"), ReadersNow([]))
    assert [m.code for m in await desk.say(one, *forged) if isinstance(m, NotTaken)] == [
        "readers/not-signed",
        "readers/not-signed",
    ]
    found = (await world.inspector.get(f"/v1/intents/{intent}")).json()
    assert (found["state"], found["step"]) == ("armed", "armed")
    async with db.read() as tx:
        seen = "select bool_and(seen) from bridge_reader where bridge = $1"
        assert await tx.value(seen, desk.bridge.id)
    said = Progress(intent, "take_card_out", Fault.card_left)
    await desk.say(one, progress=[Progress(intent, "reading"), said])
    found = (await world.inspector.get(f"/v1/intents/{intent}")).json()
    assert (found["step"], found["fault"]) == ("take_card_out", "card-left")


async def test_what_was_just_told_is_not_told_in_a_loop_but_again_when_an_answer_may_be_lost(
    one: Running, world: World, db: Database
) -> None:
    desk = await caller(db, world, one)
    made = (await arm(one, world, world.inspector, desk.bridge)).json()
    assert any(isinstance(m, Arm) for m in await desk.say(one))
    started = time.monotonic()
    assert await desk.say(one, wait_s=1) == []
    assert time.monotonic() - started > 0.9
    told = one.app.state.readers_told
    began, talk = told._held[desk.bridge.id]
    told._held[desk.bridge.id] = (began - 11, talk)
    assert any(isinstance(m, Arm) for m in await desk.say(one))
    await world.inspector.post(f"/v1/intents/{made['id']}/cancel")
    assert await desk.say(one, wait_s=5) == [Cancel(UUID(made["id"]))]


async def test_a_device_that_is_told_its_tickets_again_waits_no_shorter_for_it(
    one: Running, world: World, db: Database
) -> None:
    """Else each idle one asks twice as often."""
    desk = await caller(db, world, one)
    await desk.say(one)
    told = one.app.state.readers_told
    began, talk = told._held[desk.bridge.id]
    told._held[desk.bridge.id] = (began - 11, talk)
    started = time.monotonic()
    assert await desk.say(one, wait_s=2) == [Tickets(())]
    assert time.monotonic() - started > 1.9
    told._held[desk.bridge.id] = (began - 11, talk)
    waiting = asyncio.create_task(desk.say(one, wait_s=20))
    await asyncio.sleep(0.5)
    await arm(one, world, world.inspector, desk.bridge)
    assert [type(m) for m in await asyncio.wait_for(waiting, 4)] == [Tickets, Arm]


async def test_a_challenge_is_good_at_any_server_and_for_one_minute(
    one: Running, two: Running, world: World, db: Database
) -> None:
    desk = await caller(db, world, one)
    await desk.say(two)
    now = await one.hub.mark()

    def after(seconds: float) -> Mark:
        return Mark(now.moves, now.at + timedelta(seconds=seconds))

    given = challenges.issue(now).challenge
    assert challenges.asked(given) == now.moves > 0
    assert challenges.stands(given, after(59))
    assert not challenges.stands(given, after(61))
    assert challenges.stands(given, after(-4))  # a standby has taken over
    assert not challenges.stands(given, after(-30))
    further = given[:6] + (now.moves + 1).to_bytes(6, "big") + given[12:]
    bent = given[:-1] + bytes([given[-1] ^ 1])
    for wrong in (bytes(32), bent, bytes([given[0] ^ 1]) + given[1:], further, b""):
        assert not challenges.stands(wrong, now)
    desk.challenge = bytes(32)
    refused = await desk.post(one)
    assert (refused.status_code, refused.json()["code"]) == (401, "readers/challenge-over")


async def test_only_the_device_itself_is_answered(one: Running, world: World, db: Database) -> None:
    desk = await caller(db, world, one)
    key, desk.bridge.key = desk.bridge.key, (await Bridge.enrolled(db, world.inspector)).key
    assert (await desk.post(one)).status_code == 401
    desk.bridge.key = key
    assert (await desk.post(one, audience="https://other.example")).status_code == 401
    assert (await desk.post(one)).status_code == 200
    async with one.http() as http:
        for body in (b"", b"{}", b'{"hello":{"body":"","signature":""}}', b"[" * 9000):
            answer = await http.post("/v1/bridge/exchange", content=body)
            assert 400 <= answer.status_code < 500, body[:20]
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            "update bridge set state = 'revoked', ended_at = $2 where id = $1",
            desk.bridge.id,
            tx.now,
        )
    await desk.begin(one)
    refused = await desk.post(one)
    assert (refused.status_code, refused.json()["code"]) == (403, "readers/bridge-ended")


async def test_a_device_that_speaks_by_http_has_no_socket_left(
    one: Running, two: Running, world: World, db: Database
) -> None:
    desk = await caller(db, world, one)
    await desk.bridge.connect(one)
    await desk.say(one)
    assert (await desk.bridge.until(Ended)).code == "elsewhere"
    await desk.bridge.connect(one)
    await desk.say(two)
    assert (await desk.bridge.until(Ended, within_s=4)).code == "elsewhere"


async def test_waiting_holds_no_connection_and_ends_with_the_server(
    conf: Settings, world: World, db: Database
) -> None:
    async with running(conf, db) as third:
        desks = [await caller(db, world, third) for _ in range(5)]
        for desk in desks:
            await desk.say(third)
        waits = [asyncio.create_task(desk.say(third, wait_s=25)) for desk in desks]
        await asyncio.sleep(1)
        assert not any(wait.done() for wait in waits)
        busy = []
        for _ in range(20):  # servers look for news now and then, each for itself
            busy.append(db.pool.get_size() - db.pool.get_idle_size())
            await asyncio.sleep(0.02)
        assert min(busy) <= 1
        started = time.monotonic()
        third.server.should_exit = True
        await asyncio.gather(*waits)
        assert time.monotonic() - started < 3


async def test_a_card_is_not_told_to_an_exchange_that_nobody_waits_for_any_more(
    one: Running, world: World, db: Database
) -> None:
    desk = await caller(db, world, one)
    await desk.say(one)
    waiting = asyncio.create_task(desk.post(one, wait_s=20))
    await asyncio.sleep(0.5)
    waiting.cancel()
    await asyncio.sleep(0.5)
    made = (await arm(one, world, world.inspector, desk.bridge)).json()
    await asyncio.sleep(0.5)
    (told,) = await desk.say(one)
    assert isinstance(told, Arm) and str(told.intent) == made["id"]


async def test_a_later_exchange_of_a_device_ends_the_one_that_waits(
    one: Running, world: World, db: Database
) -> None:
    """A proxy may keep the first open when its caller has long gone."""
    desk = await caller(db, world, one)
    await desk.say(one)
    first = asyncio.create_task(desk.post(one, wait_s=20))
    await asyncio.sleep(0.5)
    second = asyncio.create_task(desk.say(one, wait_s=20))
    assert "asked" not in (await asyncio.wait_for(first, 4)).text
    made = (await arm(one, world, world.inspector, desk.bridge)).json()
    (told,) = await asyncio.wait_for(second, 4)
    assert isinstance(told, Arm) and str(told.intent) == made["id"]


async def test_a_new_key_is_taken_and_acknowledged(
    one: Running, world: World, db: Database
) -> None:
    desk = await Bridge.enrolled(db, world.inspector)
    challenge = (await desk.dial(one)).challenge
    await desk.say(messages.Greeting(desk.hello(challenge)))
    await desk.until(Tickets)
    new = Ed25519PrivateKey.generate()
    rotated = desk.rotated(challenge, new)
    await desk.say(messages.Rotated(rotated.by_old, rotated.by_old.signature))
    assert (await desk.until(NotTaken)).code == "readers/bridge-unknown"
    await desk.say(rotated)
    assert (await desk.until(Welcome)).sequence == 0
    await desk.close()
    challenge = (await desk.dial(one)).challenge
    await desk.say(messages.Greeting(desk.hello(challenge)))
    assert await desk.heard() == Ended("unknown")
    desk.key = new
    await desk.connect(one)
    await desk.close()


async def test_a_cancel_is_told_by_another_server_than_the_one_that_told_of_the_card(
    one: Running, two: Running, world: World, db: Database
) -> None:
    desk = await caller(db, world, one)
    made = (await arm(one, world, world.inspector, desk.bridge)).json()
    assert any(isinstance(m, Arm) for m in await desk.say(one))
    await world.inspector.post(f"/v1/intents/{made['id']}/cancel")
    assert Cancel(UUID(made["id"])) in await desk.say(two)


async def test_a_cancel_is_told_also_after_what_was_told_is_forgotten(
    one: Running, world: World, db: Database
) -> None:
    desk = await caller(db, world, one)
    made = (await arm(one, world, world.inspector, desk.bridge)).json()
    assert any(isinstance(m, Arm) for m in await desk.say(one))
    told = one.app.state.readers_told
    began, talk = told._held[desk.bridge.id]
    told._held[desk.bridge.id] = (began - 11, talk)
    await world.inspector.post(f"/v1/intents/{made['id']}/cancel")
    assert Cancel(UUID(made["id"])) in await desk.say(one)


async def test_an_officer_is_told_at_once_whichever_server_takes_the_statement(
    conf: Settings, world: World, db: Database
) -> None:
    async with running(conf, db, deaf=True) as near, running(conf, db, deaf=True) as far:
        desk = await caller(db, world, near)
        await arm(near, world, world.inspector, desk.bridge)
        (told,) = [m for m in await desk.say(near) if isinstance(m, Arm)]
        async with screen(far, world.inspector) as seen:
            await seen.until(id=str(told.intent), state="armed")
            far.hub._moved.clear()
            said = desk.bridge.stated(told)
            desk.bridge.sequence, head = 0, desk.bridge.head
            desk.bridge.head = messages.GENESIS
            started = time.monotonic()
            await desk.say(far, said)  # which never told of it
            desk.bridge.sequence, desk.bridge.head = 1, head
            await seen.until(id=str(told.intent), state="delivered")
            assert time.monotonic() - started < hub.POLL_S / 4
