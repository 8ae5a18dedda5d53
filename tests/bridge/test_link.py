"""The line breaks, comes back, and loses nothing that was stated."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from websockets.asyncio.server import ServerConnection

from reader_bridge import messages
from reader_bridge.chain.journal import Journal
from reader_bridge.chain.store import NotWritten
from reader_bridge.line import by_http, by_socket
from reader_bridge.line.endings import Blocked, Over
from reader_bridge.line.keeping import keep_up
from reader_bridge.line.link import Link
from reader_bridge.line.retries import SPREAD, Retries
from reader_bridge.messages import (
    GENESIS,
    Challenge,
    Ended,
    Missing,
    Progress,
    ReadersNow,
    Receipt,
    SealingKey,
    Welcome,
)
from tests.bridge.lines import Server, pc, up
from tests.bridge.papers import KEYS, shown, statement


async def test_statements_go_out_in_order_and_are_settled_by_their_receipts(tmp_path: Path) -> None:
    async with pc(tmp_path) as at:
        for _ in range(3):
            at.state()
        async with up(at.link):
            await at.until(lambda: at.journal.count() == 0)
            at.state()
            await at.until(lambda: at.journal.count() == 0)
        assert [said.sequence for said in at.server.taken] == [1, 2, 3, 4]
        assert len(at.server.hellos) == 1


async def test_a_statement_whose_receipt_is_lost_is_sent_again_and_taken_once(
    tmp_path: Path,
) -> None:
    async with pc(tmp_path) as at:
        lost: list[int] = []
        at.server.lose = lambda sequence: sequence == 2 and not lost and not lost.append(sequence)  # type: ignore[func-returns-value]
        for _ in range(3):
            at.state()
        async with up(at.link):
            await at.until(lambda: at.journal.count() == 0)
        assert [said.sequence for said in at.server.taken] == [1, 2, 3]
        assert len(at.server.hellos) == 2


async def test_what_another_process_states_is_sent_by_the_running_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_socket, "LOOK_S", 0.05)
    async with pc(tmp_path) as at, up(at.link):
        await at.until(lambda: at.server.hellos)
        other = Journal(tmp_path, at.device)
        other.state(statement(at.device))
        other.close()
        await at.until(lambda: at.journal.count() == 0)
        assert at.journal.end()[0] == 1


async def test_a_server_that_lacks_one_gets_it_and_all_after_it(tmp_path: Path) -> None:
    async with pc(tmp_path) as at:
        asked = False

        async def forgetful(server: Server, socket: ServerConnection) -> None:
            nonlocal asked
            assert await server.welcome(socket)
            async for text in socket:
                said = messages.from_bridge(text)
                if not asked and isinstance(said, messages.Stated):
                    asked = True
                    await server.say(socket, Missing(1))
                    continue
                await server.take(socket, said)

        at.server.talks = forgetful
        for _ in range(3):
            at.state()
        async with up(at.link):
            await at.until(lambda: at.journal.count() == 0)
        assert [said.sequence for said in at.server.taken] == [1, 2, 3]


async def test_a_server_that_takes_nothing_is_not_asked_in_a_loop(tmp_path: Path) -> None:
    async with pc(tmp_path) as at:
        heard = 0

        async def deaf(server: Server, socket: ServerConnection) -> None:
            nonlocal heard
            assert await server.welcome(socket)
            async for _ in socket:
                heard += 1
                await server.say(socket, Missing(1))

        at.server.talks = deaf
        at.link.retries.pause = lambda: 60.0  # type: ignore[method-assign]
        at.state()
        async with up(at.link):
            await at.until(lambda: at.journal.notes().get("error", "").startswith("Stuck"))
        assert heard < 10


@pytest.mark.parametrize("code", ["frozen", "revoked", "of a later version"])
async def test_a_device_that_is_ended_stops_and_says_so(tmp_path: Path, code: str) -> None:
    async with pc(tmp_path) as at:

        async def ends(server: Server, socket: ServerConnection) -> None:
            await server.say(socket, Challenge(bytes(32), "x", datetime.now(UTC)))
            await socket.recv()
            await server.say(socket, Ended(code))

        at.server.talks = ends
        with pytest.raises(Over):
            await asyncio.wait_for(keep_up(at.link), 5)
        assert at.journal.notes()["ended"]


async def test_a_device_that_the_server_does_not_know_waits_for_it_to_know_better(
    tmp_path: Path,
) -> None:
    async with pc(tmp_path) as at:
        at.server.key = bytes(31) + b"x"  # the server was set up wrong for a while
        pauses: list[int] = []
        real = at.link.retries.pause

        def pause() -> float:
            pauses.append(at.link.retries.tries)
            return real()

        at.link.retries.pause = pause  # type: ignore[method-assign]
        async with up(at.link) as line:
            await at.until(lambda: len(pauses) > 2)
            assert min(pauses) >= 16 and at.journal.notes()["ended"]
            at.server.key = at.device.public
            await at.until(lambda: not at.journal.notes()["ended"])
            assert at.server.hellos and not line.done()


async def test_ended_in_the_middle_of_a_connection_stops_too(tmp_path: Path) -> None:
    async with pc(tmp_path) as at, up(at.link) as line:
        await at.until(lambda: at.server.hellos)
        assert at.server.socket is not None
        await at.server.say(at.server.socket, Ended("revoked"))
        await asyncio.wait([line], timeout=5)
        with pytest.raises(Over):
            line.result()


async def test_one_that_has_connected_from_elsewhere_comes_again_later(tmp_path: Path) -> None:
    async with pc(tmp_path) as at, up(at.link):
        await at.until(lambda: at.server.hellos)
        assert at.server.socket is not None
        await at.server.say(at.server.socket, Ended("elsewhere"))
        await at.until(lambda: len(at.server.hellos) == 2)


async def test_a_message_of_a_later_version_does_not_end_the_fleet(tmp_path: Path) -> None:
    async with pc(tmp_path) as at, up(at.link) as line:
        await at.until(lambda: at.server.hellos)
        assert at.server.socket is not None
        await at.server.socket.send('{"type":"of_tomorrow","x":1}')
        at.state()
        await at.until(lambda: at.journal.count() == 0)
        assert not line.done() and len(at.server.hellos) == 1


@pytest.mark.parametrize("close", [1001, 1012, 1013])
async def test_a_server_that_goes_is_come_back_to_spread_out(tmp_path: Path, close: int) -> None:
    async with pc(tmp_path) as at:

        async def goes(server: Server, socket: ServerConnection) -> None:
            await server.welcome(socket)
            await socket.close(close)

        at.server.talks = goes
        at.link.retries.pause = lambda: 60.0  # type: ignore[method-assign]
        async with up(at.link):
            await at.until(lambda: at.journal.notes().get("error", "").startswith("Busy"))
        assert at.link.retries.tries >= SPREAD


async def test_a_server_that_vanishes_does_not_get_its_whole_fleet_back_at_once(
    tmp_path: Path,
) -> None:
    async with pc(tmp_path) as at:

        async def vanishes(server: Server, socket: ServerConnection) -> None:
            await server.welcome(socket)
            await asyncio.sleep(0.1)
            socket.transport.abort()

        at.server.talks = vanishes
        at.link.retries.pause = lambda: 60.0  # type: ignore[method-assign]
        async with up(at.link):
            await at.until(lambda: at.journal.notes().get("error", "").startswith("Busy"))
        assert at.link.retries.tries >= SPREAD


async def test_a_loose_cable_does_not_keep_a_counter_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_socket, "PING_S", 0.2)
    over = asyncio.Event()
    async with pc(tmp_path) as at:

        async def falls_silent(server: Server, socket: ServerConnection) -> None:
            await server.welcome(socket)
            socket.transport.pause_reading()  # type: ignore[attr-defined]
            await over.wait()
            socket.transport.abort()

        at.server.talks = falls_silent
        at.link.retries.pause = lambda: 60.0  # type: ignore[method-assign]
        async with up(at.link):
            await at.until(lambda: "ConnectionClosed" in at.journal.notes().get("error", ""))
        assert at.link.retries.tries == 0
        over.set()


def test_the_pauses_grow_to_five_minutes_and_are_at_random() -> None:
    bounds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    tried = []
    for _ in range(200):
        line = Retries()
        tried.append([line.pause() for _ in bounds])
    for at, bound in enumerate(bounds):
        column = [one[at] for one in tried]
        assert 0 <= min(column) < 0.1 * bound and 0.9 * bound < max(column) <= bound


async def test_a_line_that_breaks_at_once_after_its_welcome_is_not_tried_ever_faster(
    tmp_path: Path,
) -> None:
    async with pc(tmp_path) as at:

        async def breaks(server: Server, socket: ServerConnection) -> None:
            await server.welcome(socket)
            socket.transport.abort()

        at.server.talks = breaks
        real, pauses = Retries.pause, list[int]()

        def pause() -> float:
            pauses.append(at.link.retries.tries)
            real(at.link.retries)
            return 0.01

        at.link.retries.pause = pause  # type: ignore[method-assign]
        async with up(at.link):
            await at.until(lambda: len(pauses) >= 5)
        assert pauses[:5] == [SPREAD + n for n in range(5)]


async def test_a_server_whose_chain_is_not_ours_is_gone_on_with_by_nobody(tmp_path: Path) -> None:
    async with pc(tmp_path) as at:
        at.state()

        async def other(server: Server, socket: ServerConnection) -> None:
            await server.say(socket, Challenge(bytes(32), "x", datetime.now(UTC)))
            await socket.recv()
            await server.say(socket, Welcome(1, b"x" * 32, KEYS, datetime.now(UTC)))

        at.server.talks = other
        with pytest.raises(Over):
            await asyncio.wait_for(keep_up(at.link), 5)
        assert at.journal.count() == 1


async def test_a_receipt_that_is_not_ours_settles_nothing_and_stops(tmp_path: Path) -> None:
    async with pc(tmp_path) as at, up(at.link) as line:
        await at.until(lambda: at.server.hellos)
        assert at.server.socket is not None
        await at.server.say(at.server.socket, Receipt(1, bytes(32), uuid4()))
        await asyncio.wait([line], timeout=5)
        with pytest.raises(Over):
            line.result()


async def test_a_disk_that_is_full_for_a_while_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pc(tmp_path) as at:
        at.state()

        def full(*_: object) -> bool:
            raise NotWritten("full")

        async with up(at.link) as line:
            with monkeypatch.context() as disk:
                disk.setattr(Journal, "settle", full)
                await at.until(lambda: len(at.server.hellos) >= 3)
                assert not line.done()
            await at.until(lambda: at.journal.count() == 0)
        assert [said.sequence for said in at.server.taken] == [1]


async def test_the_readers_told_after_a_break_are_those_of_now(tmp_path: Path) -> None:
    async with pc(tmp_path) as at:
        at.link.say(ReadersNow([]))  # while there was no line
        now = [messages.ReaderSeen("Sample Reader A 00 00")]
        at.link.readers = lambda: now
        async with up(at.link):
            await at.until(lambda: at.server.hellos)
            assert at.server.hellos[0].readers == now
            await asyncio.sleep(0.2)
            assert not at.server.heard  # the hello has told them
            at.link.say(ReadersNow([]))
            now.append(messages.ReaderSeen("Sample Reader B 00 00"))
            await at.until(lambda: at.server.heard)
        told = [said for said in at.server.heard if isinstance(said, ReadersNow)]
        assert told == [ReadersNow(now)]


async def test_a_wrong_clock_is_noted_and_stops_nothing(tmp_path: Path) -> None:
    async with pc(tmp_path) as at:

        async def later(server: Server, socket: ServerConnection) -> None:
            at_server = datetime(2020, 1, 1, tzinfo=UTC)
            await server.say(socket, Challenge(bytes(32), "x", at_server))
            await socket.recv()
            await server.say(socket, Welcome(0, GENESIS, KEYS, at_server))
            await socket.wait_closed()

        at.server.talks = later
        async with up(at.link):
            await at.until(lambda: at.journal.notes().get("connected"))
        assert int(at.journal.notes()["clock"]) > 3600 * 24 * 365


async def test_where_no_websocket_ever_passes_the_line_is_not_left_every_ten_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that drops handshakes costs fifteen seconds each time, in which no card is read."""
    async with pc(tmp_path) as at:
        kept: list[int] = []
        ways = "dropped dropped http" + " dropped http" * 5 + " passes dropped dropped http"
        left = ways.split()

        async def by_ws(line: Link) -> None:
            if left.pop(0) == "passes":
                line.begun(Welcome(0, GENESIS, KEYS, datetime.now(UTC)), "WebSocket")
                return
            line.retries.unanswered += 1
            raise Blocked if line.retries.unanswered >= by_socket.UNANSWERED else TimeoutError

        async def by_requests(line: Link) -> None:
            assert left.pop(0) == "http"
            line.begun(Welcome(0, GENESIS, KEYS, datetime.now(UTC)), "HTTP")
            kept.append(round((line.retries.http_until - time.monotonic()) / 60))
            line.retries.http_until = 0.0  # as if that time had gone by

        monkeypatch.setattr(by_socket, "hold", by_ws)
        monkeypatch.setattr(by_http, "hold", by_requests)
        async with up(at.link):
            await at.until(lambda: not left)
        assert kept == [10, 20, 40, 80, 120, 120, 10]


# --- a new key ------------------------------------------------------------------------------------


async def test_a_statement_that_got_lost_on_its_way_is_sent_again_though_nothing_follows_it(
    tmp_path: Path,
) -> None:
    async with pc(tmp_path) as at:

        async def loses(server: Server, socket: ServerConnection) -> None:
            await server.welcome(socket)
            await socket.recv()
            server.talks = None
            socket.transport.abort()

        at.server.talks = loses
        at.state()
        async with up(at.link):
            await at.until(lambda: at.journal.count() == 0)
        assert [said.sequence for said in at.server.taken] == [1]


async def test_a_server_that_lacks_what_is_not_here_any_more_is_not_asked_for_ever(
    tmp_path: Path,
) -> None:
    async with pc(tmp_path) as at:
        at.state()
        async with up(at.link):
            await at.until(lambda: at.journal.count() == 0)

        async def lacks(server: Server, socket: ServerConnection) -> None:
            await server.welcome(socket)
            async for _ in socket:
                await server.say(socket, Missing(1))

        at.server.talks = lacks
        at.state()
        async with up(at.link) as line:
            await at.until(line.done)
            with pytest.raises(Over):
                line.result()
        assert len(at.server.hellos) == 2 and at.journal.count() == 1


async def test_how_far_an_intent_was_before_the_line_broke_is_not_told_after_it(
    tmp_path: Path,
) -> None:
    async with pc(tmp_path) as at:
        at.link.say(Progress(uuid4(), "take_card_out"))
        at.state()
        async with up(at.link):
            await at.until(lambda: at.journal.count() == 0)
            await asyncio.sleep(0.05)
        assert not [said for said in at.server.heard if isinstance(said, Progress)]


@pytest.mark.parametrize("by", ["a new line", "an answer by HTTP"])
async def test_nothing_is_sealed_to_a_key_that_the_server_has_changed(
    tmp_path: Path, by: str
) -> None:
    async with pc(tmp_path) as at:
        changed = SealingKey("changed", X25519PrivateKey.generate().public_key().public_bytes_raw())
        later = shown(sealing=changed, since=datetime.now(UTC))
        welcome = Welcome(0, GENESIS, later, datetime.now(UTC))
        if by == "a new line":
            at.link.begun(welcome, "test")
        else:
            at.link.heard(welcome)
        for pin in (at.link.agent.stating.pin, at.journal.pin()):  # also without the server
            assert pin is not None and pin.key == changed
