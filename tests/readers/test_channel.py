"""A card at one desk, a screen at another server: what passes between them, and how soon."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.exceptions import ConnectionClosed

from api import ids
from api.accounts import seed as accounts
from api.db import Database
from api.permissions import Worker
from api.readers.bridges.connecting import Device
from api.readers.channel import hub, talk
from api.settings import Settings
from reader_bridge import messages
from reader_bridge.fields import Fault
from reader_bridge.messages import Arm, Cancel, Ended, NotTaken, Progress, Receipt, Tickets
from tests.readers.bridges import Bridge, Running, arm, running, screen
from tests.readers.desk_pc import JPEG
from tests.world import Person, World, do_jobs


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two(conf: Settings, db: Database) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


async def test_an_officer_at_one_server_gets_what_is_read_at_a_bridge_of_another(
    one: Running, two: Running, world: World, db: Database
) -> None:
    officer = world.inspector
    bridge = await Bridge.enrolled(db, officer)
    await bridge.connect(one)
    async with screen(two, officer) as seen:
        made = await arm(two, world, officer, bridge)
        assert made.status_code == 200, made.text
        told = await bridge.until(Arm)
        assert str(told.intent) == made.json()["id"] and told.reader is not None
        await bridge.say(Progress(told.intent, "reading"))
        await seen.until(id=made.json()["id"], step="reading")
        await bridge.say(bridge.stated(told))
        receipt = await bridge.until(Receipt)
        assert receipt.refused is None
        delivered = await seen.until(id=made.json()["id"], state="delivered")
        assert UUID(delivered["reading"]) == receipt.reading
    await bridge.close()


async def test_without_any_notification_everything_still_arrives_in_three_seconds(
    conf: Settings, world: World, db: Database
) -> None:
    officer = world.inspector
    async with running(conf, db, deaf=True) as near, running(conf, db, deaf=True) as far:
        bridge = await Bridge.enrolled(db, officer)
        await bridge.connect(near)
        async with screen(far, officer) as seen:
            made = await arm(far, world, officer, bridge)
            told = await bridge.until(Arm, within_s=3)
            await bridge.say(Progress(told.intent, "waiting", Fault.card_left))
            left = await seen.until(id=made.json()["id"], step="waiting", within_s=3)
            assert left["fault"] == "card-left" and "ดึงออก" in left["fault_th"]
            await bridge.say(bridge.stated(told))
            await seen.until(id=made.json()["id"], state="delivered", within_s=3)
            made = await arm(far, world, officer, bridge)
            told = await bridge.until(Arm, within_s=3)
            await http_cancel(far, officer, made.json()["id"])
            assert (await bridge.until(Cancel, within_s=3)).intent == told.intent
        await bridge.close()


async def test_the_listening_connection_is_made_again_after_it_was_killed(
    one: Running, two: Running, world: World, db: Database, conf: Settings
) -> None:
    officer = world.inspector
    bridge = await Bridge.enrolled(db, officer)
    await bridge.connect(one)
    async with screen(two, officer):
        await until(lambda: up(one) and up(two))
        connection = await asyncpg.connect(conf.database_url)
        assert len(await connection.fetch(KILL)) >= 2
        await connection.close()
        await until(lambda: not up(one))
        await until(lambda: up(one) and up(two))
        started = time.monotonic()
        await arm(two, world, officer, bridge)
        await bridge.until(Arm)
        assert time.monotonic() - started < hub.POLL_S / 2
    await bridge.close()


async def test_a_notification_is_quicker_than_the_next_look(
    one: Running, two: Running, world: World, db: Database
) -> None:
    officer = world.inspector
    bridge = await Bridge.enrolled(db, officer)
    await bridge.connect(one)
    await until(lambda: up(one) and up(two))
    took = []
    for _ in range(6):
        started = time.monotonic()
        made = await arm(two, world, officer, bridge)
        await bridge.until(Arm)
        took.append(time.monotonic() - started)
        await http_cancel(two, officer, made.json()["id"])
        await bridge.until(Cancel)
    assert sorted(took)[3] < 0.5, took
    await bridge.close()


async def test_a_newer_connection_of_the_same_device_ends_the_older(
    one: Running, two: Running, world: World, db: Database
) -> None:
    bridge = await Bridge.enrolled(db, world.inspector)
    await bridge.connect(one)
    first = bridge.socket
    await bridge.connect(one)
    second, bridge.socket = bridge.socket, first
    assert (await bridge.until(Ended)).code == "elsewhere"
    await bridge.connect(two)
    bridge.socket = second
    assert (await bridge.until(Ended, within_s=4)).code == "elsewhere"
    assert bridge.id not in one.hub.sockets and bridge.id in two.hub.sockets


async def test_a_device_that_is_revoked_or_frozen_is_told_and_sent_away(
    one: Running, world: World, db: Database
) -> None:
    for kind, code in (("revoked", "revoked"), ("frozen", "frozen")):
        bridge = await Bridge.enrolled(db, world.inspector)
        await bridge.connect(one)
        async with db.begin(Worker("test")) as tx:
            await tx.run(
                "update bridge set state = $2, ended_at = $3 where id = $1", bridge.id, kind, tx.now
            )
        assert (await bridge.until(Ended, within_s=4)).code == code
        with pytest.raises(ConnectionClosed):
            await bridge.heard()
        challenge = await bridge.dial(one)
        await bridge.say(messages.Greeting(bridge.hello(challenge.challenge)))
        assert (await bridge.heard()) == Ended(code)


async def test_two_histories_under_one_key_end_the_connection_and_the_device(
    one: Running, world: World, db: Database
) -> None:
    officer = world.inspector
    bridge = await Bridge.enrolled(db, officer)
    await bridge.connect(one)
    await arm(one, world, officer, bridge)
    told = await bridge.until(Arm)
    first = bridge.stated(told)
    await bridge.say(first)
    receipt = await bridge.until(Receipt)
    await bridge.say(first)
    again = await bridge.until(Receipt)
    assert again.replayed and again.reading == receipt.reading
    bridge.sequence, bridge.head = 0, messages.GENESIS
    await bridge.say(bridge.stated(told, waited_ms=7))
    assert (await bridge.until(Ended)).code == "frozen"
    async with db.read() as tx:
        assert await tx.value("select state from bridge where id = $1", bridge.id) == "frozen"


async def test_a_photograph_reaches_the_screen_that_asked_for_it_and_nobody_else(
    one: Running, two: Running, world: World, db: Database
) -> None:
    officer = world.inspector
    bridge = await Bridge.enrolled(db, officer)
    await bridge.connect(one)
    async with screen(two, officer) as seen:
        await arm(two, world, officer, bridge, photo=True)
        told = await bridge.until(Arm)
        assert told.photo
        await bridge.say(bridge.stated(told))
        receipt = await bridge.until(Receipt)
        path = f"/v1/readings/{receipt.reading}/photo"
        assert (await get(two, officer, path)).status_code == 404
        await bridge.say(Progress(told.intent, "photo", None, 2000, len(JPEG)))
        await bridge.say(bridge.photographed(told))
        await seen.until(id=str(told.intent), step="photo", done=len(JPEG))
        shown = await get(two, officer, path)
        assert shown.status_code == 200 and shown.content == JPEG
        assert shown.headers["content-type"] == "image/jpeg"
    assert (await get(two, world.head, path)).status_code == 404
    assert (await get(one, officer, path)).content == JPEG
    async with db.begin(Worker("test")) as tx:
        _, tokens = await accounts.sign_in(tx, officer.key)
        kept = await tx.value("select photo_sha256 from reading where id = $1", receipt.reading)
        largest = await tx.value(
            "select greatest(octet_length(passing), octet_length(statement), octet_length(cid))"
            " from reading where id = $1",
            receipt.reading,
        )
    assert len(kept) == 32 and kept != hashlib.sha256(JPEG).digest()
    assert largest < len(JPEG) / 2  # sealed or not, the photograph is in none of it
    other = Person(officer.http, officer.key, officer.account, tokens.access_token)
    assert (await get(two, other, path)).status_code == 404  # the same officer, another session
    await bridge.close()


async def test_a_photograph_is_gone_after_ninety_seconds(
    one: Running, world: World, db: Database
) -> None:
    bridge = await Bridge.enrolled(db, world.inspector)
    await bridge.connect(one)
    await arm(one, world, world.inspector, bridge, photo=True)
    told = await bridge.until(Arm)
    await bridge.say(bridge.stated(told))
    receipt = await bridge.until(Receipt)
    await bridge.say(bridge.photographed(told))
    await until(lambda: one.hub.photos.get(told.intent) is not None)
    held = one.hub.photos._held
    ends, photo = held[told.intent]
    assert ends - time.monotonic() <= 90
    held[told.intent] = (ends - 90, photo)
    path = f"/v1/readings/{receipt.reading}/photo"
    assert (await get(one, world.inspector, path)).json()["code"] == "readers/photo-gone"
    one.hub.photos.sweep()
    assert one.hub.photos.get(told.intent) is None
    await bridge.close()


async def test_a_photograph_of_another_device_intent_or_number_is_not_passed_on(
    one: Running, world: World, db: Database
) -> None:
    bridge = await Bridge.enrolled(db, world.inspector)
    await bridge.connect(one)
    await arm(one, world, world.inspector, bridge, photo=True)
    told = await bridge.until(Arm)
    await bridge.say(bridge.photographed(told, sequence=1))  # before there is a reading
    assert (await bridge.until(NotTaken)).code == "readers/reading-not-found"
    await bridge.say(bridge.stated(told))
    await bridge.until(Receipt)
    key, bridge.key = bridge.key, Ed25519PrivateKey.generate()
    forged = bridge.photographed(told)
    bridge.key = key
    wrong = {
        "readers/bridge-unknown": [forged],
        "readers/reading-not-found": [
            bridge.photographed(told, sequence=9),
            bridge.photographed(told, device=ids.new()),
            bridge.photographed(told, intent=ids.new()),
        ],
        "readers/payload-wrong": [
            bridge.photographed(told, of=ids.new()),
            bridge.photographed(told, b"GIF89a"),
            bridge.photographed(told, payload_sha256=bytes(32)),
        ],
    }
    for code, tries in wrong.items():
        for said in tries:
            await bridge.say(said)
            assert (await bridge.until(NotTaken)).code == code
    assert one.hub.photos.get(told.intent) is None
    await bridge.say(bridge.photographed(told))
    await until(lambda: one.hub.photos.get(told.intent) is not None)
    await bridge.say(bridge.photographed(told, JPEG[:-2] + b"x"))
    assert (await bridge.until(NotTaken)).code == "readers/payload-wrong"
    await bridge.close()


async def test_an_intent_that_nobody_served_is_told_as_expired(
    one: Running, two: Running, world: World, db: Database
) -> None:
    officer = world.inspector
    bridge = await Bridge.enrolled(db, officer)
    await bridge.connect(one)
    async with screen(two, officer) as seen:
        made = (await arm(two, world, officer, bridge)).json()
        await bridge.until(Arm)
        async with db.begin(Worker("test")) as tx:
            await tx.run(
                "update intent set expires_at = $2, moved_at = $2 where id = $1",
                UUID(made["id"]),
                tx.now,
            )
        await seen.until(id=made["id"], state="expired", within_s=4)
        await bridge.until(Cancel, within_s=4)
    async with db.read() as tx:
        state = await tx.value("select state from intent where id = $1", UUID(made["id"]))
    assert state == "expired"
    assert (await arm(two, world, officer, bridge)).status_code == 200
    await bridge.close()


async def test_a_reader_without_a_live_bridge_lets_the_server_end_at_once(
    conf: Settings, world: World, db: Database
) -> None:
    """A stream that is open must not hold the server's end up, nor a bridge's socket."""
    bridge = await Bridge.enrolled(db, world.inspector)
    async with running(conf, db) as third:
        await bridge.connect(third)
        async with screen(third, world.inspector) as seen:
            started = time.monotonic()
            third.server.should_exit = True
            with pytest.raises(EOFError):
                await seen.until(id="never")
            with pytest.raises(ConnectionClosed):
                await bridge.until(Ended)
    assert time.monotonic() - started < 3


async def test_a_stream_ends_when_its_session_signs_out_and_its_cards_are_not_waited_for(
    one: Running, two: Running, world: World, db: Database
) -> None:
    async with db.begin(Worker("test")) as tx:
        _, tokens = await accounts.sign_in(tx, "inspector")
    officer = Person(world.http, "inspector", world.inspector.account, tokens.access_token)
    bridge = await Bridge.enrolled(db, world.inspector)
    await bridge.connect(one)
    async with screen(two, officer) as seen:
        made = (await arm(two, world, officer, bridge)).json()
        told = await bridge.until(Arm)
        async with one.http() as http:
            headers = {"Authorization": f"Bearer {officer.token}"}
            await http.post("/v1/session/end", headers=headers)
        await do_jobs(db)
        while True:
            name, found = await seen.next(within_s=5)
            if name == "end":
                break
        assert found["code"] == "accounts/session-ended"
    assert (await bridge.until(Cancel, within_s=4)).intent == told.intent
    async with db.read() as tx:
        state = await tx.value("select state from intent where id = $1", UUID(made["id"]))
    assert state == "cancelled"
    await bridge.close()


async def test_idle_sockets_and_streams_hold_no_connection_of_the_pool(
    one: Running, two: Running, world: World, db: Database
) -> None:
    bridges = [await Bridge.enrolled(db, world.inspector) for _ in range(30)]
    for bridge in bridges:
        await bridge.connect(one)
    async with screen(two, world.inspector), screen(two, world.head):
        await asyncio.sleep(0.3)
        assert db.pool.get_size() - db.pool.get_idle_size() <= 1
        async with db.pool.acquire() as connection:
            idle = await connection.fetchval(
                """
                select count(*) from pg_stat_activity
                where datname = current_database() and state = 'idle in transaction'
                """
            )
        assert idle == 0
    for bridge in bridges:
        await bridge.close()


async def test_tickets_are_told_when_they_are_given_and_when_they_are_void(
    one: Running, world: World, db: Database
) -> None:
    bridge = await Bridge.enrolled(db, world.inspector)
    await bridge.connect(one)
    ticket = ids.new()
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            """
            insert into offline_ticket (id, bridge, desk, reader, account, purpose, fields, nonce,
                issued_at, expires_at)
            values ($1, $2, $3, $8, $4, 'identify_complainant', '{cid}', $5, $6, $7)
            """,
            ticket,
            bridge.id,
            bridge.desk,
            world.inspector.account,
            ticket.bytes * 2,
            tx.now,
            tx.now + timedelta(hours=1),
            bridge.reader,
        )
    told = await bridge.until(Tickets, within_s=4)
    assert [t.id for t in told.tickets] == [ticket]
    async with db.begin(Worker("test")) as tx:
        await tx.run("update offline_ticket set void_at = $2 where id = $1", ticket, tx.now)
    assert (await bridge.until(Tickets, within_s=4)).tickets == ()
    await bridge.close()


async def test_presence_of_all_sockets_is_noted_in_one_statement(
    one: Running, world: World, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = await Bridge.enrolled(db, world.inspector)
    await bridge.connect(one)
    async with db.begin(Worker("test")) as tx:
        await tx.run("update bridge set last_seen_at = null where id = $1", bridge.id)
    monkeypatch.setattr(hub, "PRESENCE_S", 0.05)
    task = asyncio.create_task(one.hub._presence())
    await asyncio.sleep(0.4)
    task.cancel()
    async with db.read() as tx:
        assert await tx.value("select last_seen_at from bridge where id = $1", bridge.id)
    await bridge.close()


KILL = """
select pg_terminate_backend(pid) from pg_stat_activity
where application_name = 'superapp-wake' and datname = current_database()
"""


def up(server: Running) -> bool:
    return server.hub.wire is not None and server.hub.wire.up


async def until(holds: Callable[[], bool], within_s: float = 8.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.02)


async def get(at: Running, person: Person, path: str) -> httpx.Response:
    async with at.http() as http:
        return await http.get(path, headers={"Authorization": f"Bearer {person.token}"})


async def http_cancel(at: Running, person: Person, intent: str) -> None:
    async with at.http() as http:
        headers = {"Authorization": f"Bearer {person.token}"}
        done = await http.post(f"/v1/intents/{intent}/cancel", headers=headers)
        assert done.status_code == 200, done.text


async def test_a_welcome_says_within_what_time_to_come_back_by_how_many_are_served() -> None:
    key = ids.new()
    device = Device(
        id=key,
        office=key,
        office_name="",
        name="",
        key=Ed25519PrivateKey.generate().public_key(),
        starts=1,
        boot=key,
        sequence=0,
        head=bytes(32),
    )
    told = [talk.welcome(device, served).spread_s for served in (0, 100, 10_000, 1_000_000)]
    assert told == [1, 1, 62.5, 600]
