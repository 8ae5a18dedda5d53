"""What comes to the socket that should not: it must end, or be told, and never stop the others."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api import ids
from api.db import Database
from api.readers.channel import hub, sockets, talk
from reader_bridge import messages
from reader_bridge.messages import (
    FIRST_LARGEST,
    LARGEST,
    SUBPROTOCOL,
    Arm,
    Ended,
    Greeting,
    NotTaken,
    Progress,
    ReaderSeen,
    ReadersNow,
    Receipt,
)
from tests.readers.bridges import Bridge, Running, arm
from tests.readers.test_channel import until
from tests.world import World


async def still_serves(one: Running, world: World, db: Database) -> None:
    """Another bridge gets its card all the same."""
    other = await Bridge.enrolled(db, world.inspector)
    await other.connect(one)
    assert (await arm(one, world, world.inspector, other)).status_code == 200
    told = await other.until(Arm)
    await other.say(other.stated(told))
    assert (await other.until(Receipt)).refused is None
    await other.close()


async def raw(one: Running, bridge: Bridge, *texts: str | bytes) -> list[Any]:
    """What is answered to these as the first words, up to the end of the connection."""
    await bridge.dial(one)
    assert bridge.socket is not None
    heard: list[Any] = []
    try:
        for text in texts:
            await bridge.socket.send(text)
        async with asyncio.timeout(5):
            while True:
                heard.append(messages.from_server(await bridge.socket.recv()))
    except ConnectionClosed:
        return heard


async def test_nobody_is_let_in_without_the_subprotocol(one: Running) -> None:
    for wanted in ([], ["superapp-bridge.99"]):
        with pytest.raises(InvalidStatus) as refused:
            await connect(one.socket, subprotocols=wanted or None)
        assert refused.value.response.status_code == 403


FIRST = {
    "not-json": "{",
    "truncated": '{"type":"greeting","hello":{"body":"aGVs',
    "nul": '{"type":"greeting","hello":"\\u0000"}',
    "no-type": "{}",
    "unknown-type": '{"type":"shutdown"}',
    "wrong-types": '{"type":"greeting","hello":{"body":7,"signature":[]}}',
    "deep": "[" * 5000,
    "a-number": "1e999",
    "before-the-greeting": '{"type":"readers","readers":[]}',
    "short-signature": '{"type":"greeting","hello":{"body":"e30=","signature":"AAAA"}}',
    "empty": "",
}


@pytest.mark.parametrize("name", FIRST)
async def test_whoever_does_not_greet_properly_is_sent_away(
    one: Running, bridge: Bridge, name: str
) -> None:
    assert await raw(one, bridge, FIRST[name]) == [Ended("unknown")]
    assert one.hub.strangers == 0


async def test_no_first_message_may_be_large_or_binary(one: Running, bridge: Bridge) -> None:
    large = '{"type":"greeting","hello":"' + "x" * FIRST_LARGEST + '"}'
    assert await raw(one, bridge, large) == []
    assert bridge.socket is not None and bridge.socket.close_code == sockets.TOO_BIG
    assert await raw(one, bridge, os.urandom(200)) == []
    assert bridge.socket is not None and bridge.socket.close_code == sockets.NOT_TEXT


async def test_a_hello_counts_only_with_its_key_its_challenge_and_this_server(
    one: Running, bridge: Bridge
) -> None:
    first = await bridge.dial(one)
    stale = bridge.hello(first.challenge)
    await bridge.close()
    key = bridge.key
    for make in (
        lambda _: stale,  # a hello of another connection, replayed
        lambda c: bridge.hello(bytes(32)),
        lambda c: bridge.hello(c, audience="https://other.example"),
        lambda c: bridge.hello(c, device=ids.new()),
    ):
        challenge = await bridge.dial(one)
        await bridge.say(Greeting(make(challenge.challenge)))
        assert await bridge.heard() == Ended("unknown")
    bridge.key = Ed25519PrivateKey.generate()
    challenge = await bridge.dial(one)
    await bridge.say(Greeting(bridge.hello(challenge.challenge)))
    assert await bridge.heard() == Ended("unknown")
    bridge.key = key
    assert (await bridge.connect(one)).sequence == 0


async def test_whoever_says_nothing_is_ended_after_the_time_to_greet(
    one: Running, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "GREET_S", 0.2)
    assert await raw(one, bridge) == []
    assert bridge.socket is not None and bridge.socket.close_code == sockets.REFUSED
    assert one.hub.strangers == 0


async def test_a_message_that_is_not_understood_is_told_and_the_connection_goes_on(
    one: Running, bridge: Bridge, world: World, db: Database
) -> None:
    await bridge.connect(one)
    assert bridge.socket is not None
    strange = ["{", "[]", '{"type":"arm"}', '{"type":"progress","intent":"x","step":"y"}', "null"]
    for text in strange:
        await bridge.socket.send(text)
        assert await bridge.heard() == NotTaken(sockets.NOT_UNDERSTOOD)
    let_in_by = bridge.said
    await bridge.say(Greeting(bridge.hello(bytes(32))))
    bridge.said = let_in_by  # the server goes on with that one
    assert await bridge.heard() == NotTaken("readers/bridge-unknown")
    await bridge.say(Progress(ids.new(), "reading"))  # nobody's intent: nothing happens
    await arm(one, world, world.inspector, bridge)
    assert (await bridge.until(Arm)).reader is not None


async def test_too_many_mistakes_end_a_connection(one: Running, bridge: Bridge) -> None:
    await bridge.connect(one)
    assert bridge.socket is not None
    for _ in range(sockets.MISTAKES):
        await bridge.socket.send("{")
    with pytest.raises(ConnectionClosed):
        await bridge.until(Arm)
    assert bridge.id not in one.hub.sockets


async def test_a_huge_message_ends_only_the_connection_that_sent_it(
    one: Running, bridge: Bridge, world: World, db: Database
) -> None:
    await bridge.connect(one)
    assert bridge.socket is not None
    await bridge.socket.send("x" * (LARGEST + 1))
    with pytest.raises(ConnectionClosed):
        await bridge.heard()
    await still_serves(one, world, db)


async def test_a_statement_that_was_cut_anywhere_is_not_taken(
    one: Running, bridge: Bridge, world: World, db: Database
) -> None:
    await bridge.connect(one)
    await arm(one, world, world.inspector, bridge)
    told = await bridge.until(Arm)
    good = bridge.stated(told)
    text = messages.encode(good).decode()
    assert bridge.socket is not None
    for part in range(1, sockets.MISTAKES):
        await bridge.socket.send(text[: len(text) * part // sockets.MISTAKES])
        assert await bridge.heard() == NotTaken(sockets.NOT_UNDERSTOOD)
    async with db.read() as tx:
        assert await tx.value("select sequence from bridge where id = $1", bridge.id) == 0
    await bridge.say(good)
    assert (await bridge.until(Receipt)).refused is None


async def test_a_line_cut_in_the_middle_of_a_statement_takes_none_and_the_next_line_all_of_it(
    one: Running, bridge: Bridge, world: World, db: Database
) -> None:
    await bridge.connect(one)
    await arm(one, world, world.inspector, bridge)
    told = await bridge.until(Arm)
    good = bridge.stated(told)
    frame = framed(messages.encode(good))
    assert bridge.socket is not None
    bridge.socket.transport.write(frame[: len(frame) - 7])
    await asyncio.sleep(0.1)
    bridge.socket.transport.abort()
    await until(lambda: bridge.id not in one.hub.sockets)
    async with db.read() as tx:
        assert await tx.value("select sequence from bridge where id = $1", bridge.id) == 0
    await bridge.connect(one)
    await bridge.say(good)
    receipt = await bridge.until(Receipt)
    assert receipt.refused is None and not receipt.replayed


async def test_a_message_in_pieces_without_an_end_ends_only_the_connection_that_sends_it(
    one: Running, bridge: Bridge, world: World, db: Database
) -> None:
    await bridge.connect(one)
    assert bridge.socket is not None
    transport, sent = bridge.socket.transport, 0
    transport.write(framed(b"x" * 1000, first=0x01))
    while bridge.id in one.hub.sockets and sent < 100 * LARGEST:
        transport.write(framed(b"x" * 1000, first=0x00))
        sent += 1000
        await asyncio.sleep(0)
    assert sent < 4 * LARGEST, "all of it was taken in"
    await still_serves(one, world, db)


def framed(body: bytes, first: int = 0x81) -> bytes:
    """A WebSocket's frame of up to 64 kB, masked with nothing; 0x01 begins one in pieces, 0x00
    goes on with it."""
    return bytes([first, 0x80 | 126]) + len(body).to_bytes(2, "big") + bytes(4) + body


async def test_a_message_that_comes_a_byte_at_a_time_is_still_one_message(
    one: Running, bridge: Bridge
) -> None:
    await bridge.connect(one)
    assert bridge.socket is not None
    transport = bridge.socket.transport
    text = messages.encode(Progress(ids.new(), "reading")) + b" "  # then something to answer
    for body in (text, b"{"):
        for byte in bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body:
            transport.write(bytes([byte]))
            await asyncio.sleep(0)
    assert await bridge.heard() == NotTaken(sockets.NOT_UNDERSTOOD)


@pytest.mark.parametrize("patience", [{"SEND_S": 0.5, "QUEUED": 10**6}, {"SEND_S": 60.0}])
async def test_one_who_does_not_read_is_cut_off_and_stops_nobody(
    one: Running,
    bridge: Bridge,
    world: World,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    patience: dict[str, float],
) -> None:
    """By how long one message takes to leave, and by how many wait, whichever is first."""
    await bridge.connect(one)
    assert bridge.socket is not None
    bridge.socket.transport.pause_reading()
    for name, value in patience.items():
        monkeypatch.setattr(sockets, name, value)
    held: Any = one.hub.sockets[bridge.id]
    note = NotTaken("x" * 20_000)
    async with asyncio.timeout(20):
        while bridge.id in one.hub.sockets:
            for _ in range(50):
                held.post(note)
            await asyncio.sleep(0.02)
    assert held._queue is None and held._sender is None
    await still_serves(one, world, db)


async def test_a_stranger_that_floods_does_not_keep_a_known_bridge_out(
    one: Running, world: World, db: Database
) -> None:
    async def flood() -> None:
        for _ in range(10):
            stranger = Bridge(world.inspector.account or ids.new())
            challenge = await stranger.dial(one)
            await stranger.say(Greeting(stranger.hello(challenge.challenge)))
            await stranger.heard()
            await stranger.close()

    floods = [asyncio.create_task(flood()) for _ in range(5)]
    await still_serves(one, world, db)
    await asyncio.gather(*floods)


async def test_a_signed_statement_that_was_touched_is_not_taken_and_moves_nothing(
    one: Running, bridge: Bridge, world: World, db: Database
) -> None:
    await bridge.connect(one)
    await arm(one, world, world.inspector, bridge)
    told = await bridge.until(Arm)
    before = bridge.sequence, bridge.head
    good = bridge.stated(told)
    body = good.signed.body.replace(b'"waited_ms":900', b'"waited_ms":901')
    assert body != good.signed.body
    await bridge.say(messages.Stated(messages.Signed(body, good.signed.signature), good.payload))
    assert (await bridge.until(NotTaken)).code == "readers/bridge-unknown"
    async with db.read() as tx:
        assert await tx.value("select sequence from bridge where id = $1", bridge.id) == before[0]
    await bridge.say(good)
    assert (await bridge.until(Receipt)).refused is None


async def test_the_data_base_away_sends_a_bridge_to_come_again_not_to_despair(
    one: Running, bridge: Bridge, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bridge.connect(one)
    await arm(one, world, world.inspector, bridge)
    told = await bridge.until(Arm)

    async def away(*_: Any) -> None:
        raise OSError

    said = bridge.stated(told)
    with monkeypatch.context() as patched:
        patched.setattr(one.hub.db, "retrying", away)
        await bridge.say(said)
        with pytest.raises(ConnectionClosed):
            await bridge.until(Receipt)
    assert bridge.socket is not None and bridge.socket.close_code == sockets.LATER
    before = bridge.sequence, bridge.head
    await bridge.connect(one)  # it is ahead of the server now, and says it again
    await bridge.say(said)
    assert (await bridge.until(Receipt)).refused is None and before[0] == 1


async def test_another_path_has_no_socket(one: Running) -> None:
    with pytest.raises(InvalidStatus):
        await connect(one.socket.replace("/v1/bridge", "/v1/other"), subprotocols=[SUBPROTOCOL])
    async with one.http() as http:
        assert (await http.get("/v1/bridge")).status_code == 404


async def test_strangers_of_one_network_do_not_take_every_place_at_the_door(
    one: Running, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "OF_ONE_NETWORK", 20)
    quiet = [
        await connect(one.socket, subprotocols=[SUBPROTOCOL], compression=None) for _ in range(20)
    ]
    await until(lambda: one.hub.strangers == 20)
    assert not one.hub.full("another network") and one.hub.full("127.0.0.1")
    late = await connect(one.socket, subprotocols=[SUBPROTOCOL], compression=None)
    with pytest.raises(ConnectionClosed):
        await late.recv()
    assert late.close_code == sockets.LATER  # not refused in the handshake: it is to come again
    await asyncio.gather(*(each.close() for each in quiet))
    await until(lambda: one.hub.strangers == 0)
    await bridge.connect(one)


async def test_slow_strangers_at_the_data_base_do_not_hold_up_who_is_known(
    one: Running, bridge: Bridge, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bridge.connect(one)
    async with contextlib.AsyncExitStack() as held:
        for _ in range(hub.DOORS):
            await held.enter_async_context(one.hub.doors)
        assert (await arm(one, world, world.inspector, bridge)).status_code == 200
        told = await bridge.until(Arm, within_s=3)
        await bridge.say(bridge.stated(told))
        assert (await bridge.until(Receipt, within_s=3)).refused is None


async def test_a_pc_whose_plug_is_loose_fills_no_table(
    one: Running, bridge: Bridge, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk, "LEAVE", 3.0)
    await bridge.connect(one)
    for turn in range(60):
        await bridge.say(ReadersNow([ReaderSeen(f"Loose {turn % 2}")]))
    await asyncio.sleep(2)
    async with db.read() as tx:
        told = await tx.value(
            "select count(*) from event where name = 'bridge.readers_changed' and record = $1",
            bridge.id,
        )
    assert 2 <= told <= 8
    monkeypatch.setattr(talk, "LEAVE_PER_S", 1e6)  # what it still has to say holds up no end
    await bridge.close()
    await until(lambda: bridge.id not in one.hub.sockets)
