"""A card in the reader until its reading is in the officer's session: how long, and whose it is.

Real pcscds with virtual readers, the real bridge program, a real server. Left out where there is no
PC/SC stack.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import NamedTuple
from uuid import UUID

import click

from api.accounts import seed as accounts
from api.db import Database
from api.permissions import Worker
from bench import frame
from bench.counters import OFFICER, PATIENCE_S, Officer, Pc, officers
from bench.frame import Frame, cpu, median
from bench.table import Row, row
from reader_bridge.pcsc.watcher import SETTLED
from tests.pcsc.faults import CLOCKS, byte_time
from tests.pcsc.people import Person, person
from tests.pcsc.rig import Rig, Service, missing
from tests.pcsc.virtual_card import ATRS, VirtualCard
from tests.pcsc.wire import Slot

READINGS, PCS, IN_TURN = 500, 4, 4
"""Each PC has an officer, who uses its readers in turn: while a card is read in one, those before
are being taken out. Several PCs, for pcscd looks only each 0.4 s, on one PC at all readers in the
same moment."""
READERS, SERVICES, ROUNDS = 16, 3, 20
BARE_ROUNDS, SLOW_ROUNDS, BARE_TURNS = 100, 6, 3
FASTEST = "3B79-fast"
"""The card with the highest bit rate of those known: it hides the least of our own time."""
SLOT_EMPTY_S = 0.5
"""pcscd looks every 0.4 s: a card that was away for less was never away."""

_people = count(1)


class Took(NamedTuple):
    """Milliseconds of one reading from PC/SC's notice of the card: until the stream said it, until
    its content was in the session, and those of them in which the card was spoken with."""

    told: float
    held: float
    card: float


async def measure(bench: Frame) -> list[Row]:
    """Raises RuntimeError where a reading did not come, or was another's."""
    if (reason := missing()) is not None:
        click.echo(f"reading: left out, {reason}", err=True)
        return []
    frame.use(bench.conf)
    url = await bench.database("bench_readings")
    unhurried = bench.serving(url, SUPERAPP_ARMINGS_A_MINUTE="1000000")
    async with unhurried as api, bench.connected(url) as db:
        overhead = await waited(bench, db, api)
        wrong, given, slowest = await counted(bench, db)
    return [*overhead, *await compared(), _wrong(wrong, given, slowest)]


# --- how long it takes --------------------------------------------------------------------------


async def waited(bench: Frame, db: Database, api: int, readings: int = READINGS) -> list[Row]:
    """From PC/SC's notice of the card to its content in the session, beyond what a bare loop needs
    for the same APDUs in the same run: the exchange with the card that any program would have."""
    async with (
        _rig(IN_TURN, PCS) as rig,
        _pcs(bench, db, rig) as pcs,
        officers(bench, db, PCS) as people,
    ):
        seen: list[bytes] = []
        lanes = [
            _lane(officer, pc, service.slots, readings // PCS, seen)
            for officer, pc, service in zip(people, pcs, rig, strict=True)
        ]
        with cpu(api) as server, cpu(bench.postgres_pid()) as stored:
            took = [one for lane in await asyncio.gather(*lanes) for one in lane]
        slot = rig[0].slots[0]
        card = slot.insert(VirtualCard(person(0)))
        floor = await asyncio.to_thread(_bare, bench, rig[0], card, slot, seen)
    held = sorted(one.held - floor for one in took)
    told = sorted(one.told - floor for one in took)
    card_ms = median([one.card for one in took])
    note = (
        f"{len(took)} readings at {PCS} PCs, content fetched; {_at(told, 0.5):.0f} to the event;"
        f" less {floor:.1f} ms of the same {len(seen)} APDUs bare ({card_ms:.1f} in the bridge)"
    )
    tail = (
        f"{_at(told, 0.99):.0f} to the event; slowest {held[-1]:.0f}; from arming to fetching CPU"
        f" {server.seconds * 1000 / len(took):.1f} + PostgreSQL"
        f" {stored.seconds * 1000 / len(took):.1f} ms each"
    )
    return [
        row("reading.overhead_p50_ms", _at(held, 0.5), note),
        row("reading.overhead_p99_ms", _at(held, 0.99), tail),
    ]


async def _lane(
    officer: Officer, pc: Pc, slots: Sequence[Slot], rounds: int, seen: list[bytes]
) -> list[Took]:
    """Armed, put in, received, taken out: one card after the other. The first is not counted."""
    found = []
    for n in range(rounds + 1):
        slot, whose = slots[n % len(slots)], person(next(_people))
        intent = await officer.arm(pc.device.desks[slot.name])
        card = slot.insert(VirtualCard(whose))
        took = await _received(officer, intent, whose, card)
        if n:
            found.append(took)
        if not seen:
            seen += card.seen
        await asyncio.to_thread(slot.remove)
    return found


async def _received(officer: Officer, intent: UUID, whose: Person, card: VirtualCard) -> Took:
    told, said = await officer.until(intent, state="delivered")
    reading = await officer.reading(said["reading"])
    held = time.monotonic()
    if reading["card"]["cid"] != whose.cid:
        raise RuntimeError("the reading is of another person")
    since = card.noticed_at
    return Took(
        (told - since) * 1000, (held - since) * 1000, (card.ended_at - card.began_at) * 1000
    )


def _bare(
    bench: Frame, service: Service, card: VirtualCard, slot: Slot, seen: list[bytes]
) -> float:
    """Milliseconds of a bare loop with the same APDUs."""
    while not card.noticed_at:
        time.sleep(0.01)
    file = bench.folder / "apdus"
    file.write_text("\n".join(apdu.hex() for apdu in seen))
    said = ("--reader", slot.name, "--rounds", "100", "--apdus", str(file))
    out = service.run("-m", "tests.pcsc.bare_read", *said).stdout
    return median(json.loads(out)["ms"])


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


# --- against a bare loop ------------------------------------------------------------------------


async def compared() -> list[Row]:
    """The bridge's read against a bare loop that sends the same APDUs, by turns in one process.

    Twice: of a card that answers at once, where what is left is what both cost this machine, and
    of one whose answers take the time of their bytes on the contact, as `FASTEST` of the real ones
    (`tests.pcsc.faults.byte_time`: no time of the chip's own, so a real card takes longer still).
    The figure is of the longest reading; of the others the note tells it, and the milliseconds.
    """
    async with _rig(1) as rig:
        at_once = await _against_bare(rig, VirtualCard(person(3)), BARE_ROUNDS)
        card = VirtualCard(person(3), byte_time(CLOCKS[FASTEST]), atr=ATRS[FASTEST])
        as_real = await _against_bare(rig, card, SLOW_ROUNDS)
    return [
        row("reading.vs_bare", *at_once),
        row("reading.vs_bare_at_card_speed", *as_real),
    ]


async def _against_bare(rig: Rig, card: VirtualCard, rounds: int) -> tuple[float, str]:
    """The ratio with the photo, and a note of all kinds of reading."""
    kinds = {"photo": ("--photo",), "text": (), "cid and name": ("--fields", "cid,name_th")}
    ratios: dict[str, list[float]] = {kind: [] for kind in kinds}
    notes: dict[str, str] = {}
    await asyncio.to_thread(rig.insert, card)
    for _ in range(BARE_TURNS):
        for kind, options in kinds.items():
            out = await asyncio.to_thread(_turns, rig[0], rounds, options)
            bridge, bare = median(out["bridge"]), median(out["bare"])
            ratios[kind].append(bridge / bare)
            notes[kind] = (
                f"{kind} {median(ratios[kind]):.2f} ({bridge:.2f} and {bare:.2f} ms,"
                f" {out['apdus']:.0f} APDUs)"
            )
    return median(ratios["photo"]), "; ".join(notes.values())


def _turns(service: Service, rounds: int, options: Sequence[str]) -> dict[str, list[float]]:
    said = ("--reader", service.slots[0].name, "--rounds", str(rounds), *options)
    found: dict[str, list[float]] = json.loads(service.run("-m", "bench.card_reads", *said).stdout)
    return found


# --- at whose desk ------------------------------------------------------------------------------


async def counted(bench: Frame, db: Database, rounds: int = ROUNDS) -> tuple[int, int, float]:
    """Readings at a desk that is not theirs; of how many; the slowest round, seconds.

    First one PC with `READERS` readers, then `SERVICES` PCs with as many each.
    """
    wrong = given = 0
    slowest = 0.0
    for services in (1, SERVICES):
        async with _rig(READERS, services) as rig, _pcs(bench, db, rig) as pcs:
            places = [
                (pc, slot) for pc, service in zip(pcs, rig, strict=True) for slot in service.slots
            ]
            async with officers(bench, db, len(places)) as people:
                for _ in range(rounds):
                    begun = time.monotonic()
                    wrong += await _round(people, places)
                    given += len(places)
                    slowest = max(slowest, time.monotonic() - begun)
    return wrong, given, slowest


async def _round(people: Sequence[Officer], places: Sequence[tuple[Pc, Slot]]) -> int:
    """Everybody waits, every reader gets another person's card at once; all must have one.

    Returns how many have one that is not the person's at their desk, whole.
    """
    intents = await asyncio.gather(
        *(
            officer.arm(pc.device.desks[slot.name])
            for officer, (pc, slot) in zip(people, places, strict=True)
        )
    )
    put_in = [person(next(_people)) for _ in places]
    for whose, (_, slot) in zip(put_in, places, strict=True):
        slot.insert(VirtualCard(whose))
    right = await asyncio.gather(
        *(
            _is_right(officer, intent, whose, pc, slot)
            for officer, intent, whose, (pc, slot) in zip(
                people, intents, put_in, places, strict=True
            )
        )
    )
    strays = sum(len(officer.states) > n for officer, n in ((o, o.armed) for o in people))
    await asyncio.to_thread(_empty, [slot for _, slot in places])
    return len(places) - sum(right) + strays


def _empty(slots: Sequence[Slot]) -> None:
    for slot in slots:
        slot.remove()


async def _is_right(officer: Officer, intent: UUID, whose: Person, pc: Pc, slot: Slot) -> bool:
    """Their own card at their own desk, number and name of one person. Raises RuntimeError where
    none came."""
    _, said = await officer.until(intent, 2 * PATIENCE_S, state="delivered")
    reading = await officer.reading(said["reading"])
    card, name = reading["card"], str(whose.name_th).split("#")
    told = card["cid"], card["name_th"]["first"], reading["desk"], reading["intent"]
    return told == (whose.cid, name[1], str(pc.device.desks[slot.name]), str(intent))


def _wrong(wrong: int, given: int, slowest: float) -> Row:
    note = (
        f"of {given}: {READERS} readers on one PC, {READERS * SERVICES} on {SERVICES}, all at once"
    )
    return row("reading.wrong_desk", wrong, f"{note}; slowest round {slowest:.1f} s")


# --- below --------------------------------------------------------------------------------------


@asynccontextmanager
async def _rig(readers: int, services: int = 1) -> AsyncIterator[Rig]:
    rig = await asyncio.to_thread(Rig, readers, services)
    try:
        await asyncio.to_thread(rig.__enter__)
        for service in rig:
            for slot in service.slots:
                slot.hand = SLOT_EMPTY_S
        yield rig
    finally:
        await asyncio.to_thread(rig.close)


@asynccontextmanager
async def _pcs(bench: Frame, db: Database, rig: Rig) -> AsyncIterator[list[Pc]]:
    """One PC for each service of `rig`."""
    async with db.begin(Worker("bench")) as tx:
        account = await accounts.account(tx, OFFICER)
    async with contextlib.AsyncExitStack() as stack:
        found = [
            await stack.enter_async_context(
                Pc.running(bench, db, account, service, f"{len(rig.services)}-{n}")
            )
            for n, service in enumerate(rig)
        ]
        for pc in found:
            await pc.connected(db)
            await pc.mapped(db, account)
        await asyncio.sleep(SETTLED + 0.5)  # a card in a reader just seen is not fresh
        try:
            yield found
        except RuntimeError:
            for pc in found:
                click.echo(pc.log(), err=True)
            raise
