"""All verbs of one desk at once: none may fault, none may wait for the other for ever."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import httpx

from api import ids
from api.db import Database
from api.permissions import Bridge as Device
from api.permissions import Worker
from api.readers.bridges import attached
from api.readers.channel import talk
from api.readers.intents import service as intents
from reader_bridge.messages import ReaderSeen
from tests.readers.desk_pc import READER
from tests.readers.device import Desk, Waiting, at_desk
from tests.world import World, encode


async def arm(world: World, desk: Desk, **entry: Any) -> httpx.Response:
    body = {"desk": desk.desk, "purpose": "identify_complainant"} | entry
    return await world.inspector.put(f"/v1/intents/{ids.new()}", content=encode(body))


async def heard(db: Database, desk: Desk) -> None:
    async with db.begin(Worker("test")) as tx:
        await tx.run("update bridge set last_seen_at = $2 where id = $1", desk.bridge, tx.now)


async def deliver(db: Database, desk: Desk) -> None:
    """The PC reads whatever card is waited for at this moment."""
    async with db.read() as tx:
        rows = await intents.at_bridge(tx, desk.bridge, [])
    for row in [r for r in rows if r.state == "armed"][:1]:
        said: dict[str, Any] = {"purpose": row.purpose}
        waiting = Waiting(row.id, row.nonce)
        if row.purpose == "map_desk":
            said |= {"payload_sha256": b"", "chip_serial": b"", "atr": b""}
        signed, payload = desk.state(waiting, **said)
        await desk.send_retrying(signed, None if row.purpose == "map_desk" else payload)


async def test_arming_reading_mapping_cancelling_and_coming_and_going_at_once_never_faults(
    world: World, db: Database
) -> None:
    desk = await at_desk(db, world)
    await heard(db, desk)
    await world.inspector.keep_signed_in()
    answers: list[httpx.Response] = []
    chance = random.Random(7)

    async def officer() -> None:
        for _ in range(8):
            made = await arm(world, desk)
            answers.append(made)
            if made.status_code == 200 and chance.random() < 0.5:
                path = f"/v1/intents/{made.json()['id']}/cancel"
                answers.append(await world.inspector.post(path))

    async def mapper() -> None:
        for _ in range(6):
            entry = {"purpose": "map_desk", "bridge": desk.bridge}
            body = {"desk": desk.desk} | entry
            made = await world.head.put(f"/v1/intents/{ids.new()}", content=encode(body))
            answers.append(made)
            answers.append(await world.head.post(f"/v1/desks/{desk.desk}/unmap"))

    async def pc() -> None:
        for _ in range(25):
            await deliver(db, desk)

    async def plugs() -> None:
        for turn in range(12):
            async with db.begin(Device(desk.bridge)) as tx:
                name = READER if turn % 2 else "Another"
                await attached.readers_now(tx, desk.bridge, [ReaderSeen(name)])

    async def clock() -> None:
        for _ in range(20):
            async with db.begin(Worker("test")) as tx:
                await intents.expire(tx)
                await tx.run(
                    "update bridge set last_seen_at = $2 where id = $1", desk.bridge, tx.now
                )

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(officer() for _ in range(4)), mapper(), mapper(), pc(), plugs(), clock()
        )
    assert {a.status_code // 100 for a in answers} <= {2, 4}, [a.text for a in answers]
    assert await desk.incidents() == []
    most = await desk.value(
        "select max(n) from (select count(*) from reading where bridge = $1 group by intent) x(n)",
        desk.bridge,
    )
    assert most == 1
    revoked = await asyncio.gather(
        world.head.post(f"/v1/bridges/{desk.bridge}/revoke", content=encode({"reason": "test"})),
        *(arm(world, desk) for _ in range(6)),
        *(deliver_quietly(db, desk) for _ in range(2)),
    )
    codes = {a.status_code // 100 for a in revoked if a is not None}
    assert codes <= {2, 4}
    await asyncio.sleep(0)
    assert not await desk.value(
        "select exists (select from reading r join bridge b on b.id = r.bridge"
        " where b.id = $1 and r.received_at > b.ended_at)",
        desk.bridge,
    )


async def deliver_quietly(db: Database, desk: Desk) -> None:
    try:
        await deliver(db, desk)
    except talk.BridgeEnded:
        return


async def test_forty_officers_at_one_desk_get_one_card_once(world: World, db: Database) -> None:
    desk = await at_desk(db, world)
    await heard(db, desk)
    await world.inspector.keep_signed_in()
    came = await asyncio.gather(*(arm(world, desk) for _ in range(40)))
    assert sorted({a.status_code for a in came}) == [200, 409]
    assert sum(a.status_code == 200 for a in came) == 1
    assert {a.json()["code"] for a in came if a.status_code == 409} == {"readers/reader-busy"}
    await deliver(db, desk)
    assert await desk.readings() == 1
