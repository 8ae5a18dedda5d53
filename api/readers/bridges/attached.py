"""What is attached to a device, and which desks can no longer be sure of their reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from api import events
from api.db import Tx
from api.readers.bridges import device_queries
from api.readers.bridges.device_queries import Held
from reader_bridge.messages import ReaderSeen

MOST: Final = 200
"""Names of readers that are known of one device; more than 64 are never attached at once."""


async def readers_now(
    tx: Tx, bridge: UUID, readers: Sequence[ReaderSeen], *, began: bool = False
) -> bool:
    """All readers that are attached to `bridge` now; says whether that is a change.

    A desk whose reader may be another one under the same name loses it, and who waits for a card
    there is told. `began`: nobody watched them until now. What has not changed writes nothing.
    """
    now = _told_apart(readers)
    held = await device_queries.held(tx, bridge)
    if not _differ(held, now) and not (began and unwatched(held, now)):
        return False
    await tx.lock([bridge])
    held = await device_queries.held(tx, bridge)
    now = await _bounded(tx, held, now)
    known = {reader.name: reader for reader in held}
    new = [r for r in now.values() if _is_new(known.get(r.name), r)]
    gone = [reader.id for reader in held if reader.seen and reader.name not in now]
    unsure = {*doubtful(held, now), *(unwatched(held, now) if began else [])}
    if not new and not gone and not unsure:
        return False
    await device_queries.put_readers(tx, bridge, new, gone)
    await unmap(tx, sorted(unsure), "readers_changed", waiting=began)
    facts = {"attached": len(now), "new": len(new), "gone": len(gone)}
    await events.record(tx, "bridge.readers_changed", "bridge", bridge, facts=facts)
    return True


def doubtful(held: Sequence[Held], now: dict[str, ReaderSeen]) -> list[UUID]:
    """Readers on a desk of which nobody can say that they are still the same.

    The system gives names anew when readers are plugged in. A serial number tells them apart; of
    several without one that are away at the same time, any may come back under any name. One that
    was away alone keeps its desk.
    """
    away = [r for r in held if r.serial is None and not (r.seen and r.name in now)]
    exchanged = [r for r in held if r.name in now and r.serial != now[r.name].serial]
    unsure = [*exchanged, *(away if len(away) > 1 else [])]
    return sorted({reader.id for reader in unsure if reader.desk is not None})


def unwatched(held: Sequence[Held], now: dict[str, ReaderSeen]) -> list[UUID]:
    """The same after a time without the program: names may have been given anew to all of several
    readers without a serial number, even where each is there. One alone keeps its desk."""
    plain = [r for r in held if r.serial is None and (r.seen or r.desk is not None)]
    names = {r.name for r in plain} | {name for name, r in now.items() if r.serial is None}
    return [r.id for r in plain if r.desk is not None] if len(names) > 1 else []


async def unmap(tx: Tx, readers: Sequence[UUID], why: str, *, waiting: bool = False) -> None:
    """Takes `readers` off their desks. `waiting`: what was read there before may still be told."""
    if not readers:
        return
    for desk in await device_queries.let_go(tx, readers, waiting):
        await events.record(tx, "desk.unmapped", "desk", desk, facts={"why": why})


def _differ(held: Sequence[Held], now: dict[str, ReaderSeen]) -> bool:
    known = {reader.name: reader for reader in held}
    return any(_is_new(known.get(name), reader) for name, reader in now.items()) or any(
        reader.seen and reader.name not in now for reader in held
    )


def _is_new(known: Held | None, reader: ReaderSeen) -> bool:
    return (
        known is None
        or not known.seen
        or (known.serial, known.model) != (reader.serial, reader.model)
    )


async def _bounded(
    tx: Tx, held: Sequence[Held], now: dict[str, ReaderSeen]
) -> dict[str, ReaderSeen]:
    """Without the new names that are too many; those of old that nothing refers to give way."""
    known = {reader.name for reader in held}
    coming = [name for name in now if name not in known]
    over = len(held) + len(coming) - MOST
    if over <= 0:
        return now
    spare = [r.id for r in held if r.name not in now and r.desk is None]
    over -= await device_queries.forget_readers(tx, spare, over)
    left_out = set(coming[len(coming) - over :] if over > 0 else [])
    return {name: reader for name, reader in now.items() if name not in left_out}


def _told_apart(readers: Sequence[ReaderSeen]) -> dict[str, ReaderSeen]:
    """By name. A serial number that several have is none."""
    now = {reader.name: _clean(reader) for reader in readers}
    often = Counter(reader.serial for reader in now.values())
    return {
        name: reader if often[reader.serial] == 1 else ReaderSeen(name, None, reader.model)
        for name, reader in now.items()
    }


def _clean(reader: ReaderSeen) -> ReaderSeen:
    """Drivers fill serial numbers with NULs and blanks."""
    serial, model = (
        (text or "").replace("\0", "").strip() or None for text in (reader.serial, reader.model)
    )
    return ReaderSeen(reader.name, serial, model)
