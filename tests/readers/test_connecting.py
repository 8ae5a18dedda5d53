"""A device is known by its key over a fresh challenge; two histories under one key end it."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import clock, ids
from api.db import Database
from api.permissions import Worker
from api.problems import Problem
from api.readers.bridges import connecting
from api.readers.problems import BridgeEnded, BridgeForked, BridgeUnknown, KeyTaken
from reader_bridge.messages import GENESIS, Kind, Rotated, sign
from tests.readers.bridge import SERVER, FakeBridge, public
from tests.world import World

ANOTHER = bytes(31) + b"x"


async def state(db: Database, bridge: FakeBridge) -> str:
    async with db.read() as tx:
        found: str = await tx.value("select state from bridge where id = $1", bridge.device)
    return found


async def incidents(db: Database, bridge: FakeBridge) -> list[str]:
    async with db.read() as tx:
        return await tx.values(
            "select kind from bridge_incident where bridge = $1 order by id", bridge.device
        )


async def chain(db: Database, bridge: FakeBridge, length: int) -> None:
    """As if the server had taken so many statements."""
    bridge.sequence, bridge.head = length, secrets.token_bytes(32)
    async with db.begin() as tx:
        await tx.run(
            "update bridge set sequence = $2, head = $3 where id = $1",
            bridge.device,
            bridge.sequence,
            bridge.head,
        )


async def waiting(world: World, db: Database, bridge: FakeBridge) -> UUID:
    """An officer who waits for a card at the bridge."""
    desk, intent = ids.new(), ids.new()
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            """
            insert into desk (id, office, name)
            select $1::uuid, office, $1::uuid::text from bridge where id = $2
            """,
            desk,
            bridge.device,
        )
        await tx.run(
            """
            insert into intent (id, session, account, office, desk, bridge, purpose, fields, photo,
                nonce, armed_at, expires_at, moved_at)
            select $1::uuid, s.id, s.account, b.office, $2, b.id, 'map_desk', '{}', false,
                $4, $5::timestamptz, $5, $5
            from bridge b, session s where b.id = $3 and s.account = $6 limit 1
            """,
            intent,
            desk,
            bridge.device,
            secrets.token_bytes(32),
            tx.now,
            world.inspector.account,
        )
    return intent


async def test_a_device_is_known_by_its_key_and_where_its_chain_ends(
    world: World, db: Database
) -> None:
    bridge = await FakeBridge.enrolled(world)
    seen = (await world.head.get(f"/v1/bridges/{bridge.device}")).json()
    assert (seen["connected"], seen["last_seen_at"]) == (False, None)
    device = await bridge.connect(db, software="reader-bridge 0.2")
    assert (device.id, device.sequence, device.head) == (bridge.device, 0, GENESIS)
    assert device.office_name.startswith("สำนักงานอุตสาหกรรมจังหวัด")
    seen = (await world.head.get(f"/v1/bridges/{bridge.device}")).json()
    assert (seen["connected"], seen["software"]) == (True, "reader-bridge 0.2")
    with clock.travel(timedelta(minutes=4)):
        seen = (await world.head.get(f"/v1/bridges/{bridge.device}")).json()
        assert not seen["connected"]
        async with db.begin() as tx:
            await connecting.seen(tx, [bridge.device, ids.new()], tx.now)
        seen = (await world.head.get(f"/v1/bridges/{bridge.device}")).json()
        assert seen["connected"]


@pytest.mark.parametrize(
    "lie",
    [
        {"challenge": secrets.token_bytes(32)},
        {"audience": "https://elsewhere.example"},
        {"device": ids.new()},
    ],
    ids=["replayed", "relayed", "unknown"],
)
async def test_no_hello_counts_that_was_not_made_for_this_connection(
    world: World, db: Database, lie: dict[str, Any]
) -> None:
    bridge = await FakeBridge.enrolled(world)
    with pytest.raises(BridgeUnknown):
        await bridge.connect(db, **lie)
    assert await incidents(db, bridge) == []


async def test_nobody_connects_as_a_device_whose_key_they_do_not_have(
    world: World, db: Database
) -> None:
    victim, thief = await FakeBridge.enrolled(world), await FakeBridge.enrolled(world)
    with pytest.raises(BridgeUnknown):
        await thief.connect(db, device=victim.device, starts=0, boot=ids.new())
    challenge = secrets.token_bytes(32)
    for wrong in (
        sign(victim.key, Kind.statement, victim.enrolment()),
        sign(victim.key, Kind.enrolment, victim.enrolment()),
    ):
        with pytest.raises(BridgeUnknown):
            async with db.begin() as tx:
                await connecting.connect(tx, wrong, challenge, SERVER, 0)
    assert await state(db, victim) == "active"


async def test_a_device_comes_back_with_the_same_boot_and_begins_anew_with_another(
    world: World, db: Database
) -> None:
    bridge = await FakeBridge.enrolled(world)
    await bridge.connect(db)
    await bridge.connect(db)
    bridge.restart()
    bridge.sequence, bridge.head = 3, ANOTHER  # written down, not sent yet
    device = await bridge.connect(db)
    assert (device.sequence, device.starts, device.boot) == (0, 2, bridge.boot)
    assert await state(db, bridge) == "active"


@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        ({"starts": 1}, "rollback"),
        ({"boot": ids.new()}, "fork"),
        ({"sequence": 4}, "rollback"),
        ({"head": ANOTHER}, "fork"),
    ],
    ids=["fewer starts", "another boot", "behind", "another head"],
)
async def test_no_second_history_under_one_key_goes_unnoticed(
    world: World, db: Database, lie: dict[str, Any], kind: str
) -> None:
    bridge = await FakeBridge.enrolled(world)
    bridge.restart()
    await bridge.connect(db)
    await chain(db, bridge, 5)
    intent = await waiting(world, db, bridge)
    with pytest.raises(BridgeForked):
        await bridge.connect(db, **lie)
    assert await state(db, bridge) == "frozen"
    assert await incidents(db, bridge) == [kind]
    async with db.read() as tx:
        assert await tx.value("select state from intent where id = $1", intent) == "cancelled"
        actor = await tx.value(
            "select actor from event where name = 'bridge.frozen' and record = $1", bridge.device
        )
    assert actor == f"bridge:{bridge.device}"
    with pytest.raises(BridgeEnded):
        await bridge.connect(db)
    assert await incidents(db, bridge) == [kind]


async def test_of_two_pcs_with_one_key_that_start_together_one_is_found_out(
    world: World, db: Database
) -> None:
    bridge = await FakeBridge.enrolled(world)
    await bridge.connect(db)
    bridge.restart()
    hellos = [bridge.connect(db, boot=ids.new()) for _ in range(4)]
    came = await asyncio.gather(*hellos, return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in came) == 1
    for _ in range(2):  # what they said may have been true, and they come again
        with pytest.raises((BridgeForked, BridgeEnded)):
            await bridge.connect(db, boot=ids.new())
    assert await state(db, bridge) == "frozen"


# --- another key ----------------------------------------------------------------------------------


async def _rotate(db: Database, bridge: FakeBridge, rotated: Rotated, challenge: bytes) -> None:
    async with db.begin() as tx:
        await connecting.rotate(tx, bridge.device, rotated, challenge)


async def test_a_rotated_key_goes_on_with_the_chain_and_the_old_one_counts_no_more(
    world: World, db: Database
) -> None:
    bridge = await FakeBridge.enrolled(world)
    await bridge.connect(db)
    await chain(db, bridge, 2)
    challenge, new = secrets.token_bytes(32), Ed25519PrivateKey.generate()
    await _rotate(db, bridge, bridge.rotated(challenge, new), challenge)
    with pytest.raises(BridgeUnknown):
        await bridge.connect(db)
    bridge.key = new
    device = await bridge.connect(db)
    assert (device.sequence, device.head) == (2, bridge.head)


async def test_no_key_takes_over_without_the_signature_of_both_for_this_server_and_device(
    world: World, db: Database
) -> None:
    bridge, other = await FakeBridge.enrolled(world), await FakeBridge.enrolled(world)
    challenge, new = secrets.token_bytes(32), Ed25519PrivateKey.generate()
    good = bridge.rotated(challenge, new)
    theirs = other.rotated(challenge, new)
    for wrong in (
        Rotated(good.by_old, good.by_old.signature),
        Rotated(good.by_old, bytes(64)),
        Rotated(theirs.by_old, good.by_new),
        theirs,
        bridge.rotated(secrets.token_bytes(32), new),
        bridge.rotated(challenge, new, audience="https://elsewhere.example"),
        bridge.rotated(challenge, new, device=other.device),
    ):
        with pytest.raises(BridgeUnknown):
            await _rotate(db, bridge, wrong, challenge)
    await bridge.connect(db)
    taken: type[Problem] = KeyTaken
    with pytest.raises(taken):
        await _rotate(db, bridge, bridge.rotated(challenge, other.key), challenge)
    async with db.read() as tx:
        kept = await tx.value("select public_key from bridge where id = $1", bridge.device)
    assert kept == public(bridge.key)
