"""Whether the person at the counter is the officer whom the administrator listed."""

from __future__ import annotations

from functools import partial
from typing import Final
from uuid import UUID

from api import events, permissions
from api.accounts import by_card
from api.accounts.model import NoOfficer, Officer
from api.db import Tx
from api.permissions import Reach, Session
from api.readers.model import Purpose
from api.readers.readings import using
from api.readers.uses import evidence
from api.readers.uses.problems import OfficerDiffers, OfficerNotComparable, OwnCard

CONFIRM: Final = "officer.confirm"
USED_FOR: Final = "officer"
DIFFERED: Final = "officer_differs"


async def confirm(tx: Tx, officer: UUID, reading: UUID) -> Officer:
    """Compares the card's number with the keyed index of the line. The same again is the same.

    Raises `NoOfficer`, `OwnCard`, `OfficerNotComparable`, `ReadingNotEnough`, `WrongCid`, what
    `using.use` does, and `OfficerDiffers`, which uses the reading up.
    """
    line = await _line(tx, officer)
    before = await using.own(tx, reading)
    if (before.used_for, before.used_by) == (USED_FOR, officer):
        return line
    _check(tx, line)
    use = partial(using.use, reading=reading, purpose=Purpose.confirm_officer, about=officer)
    card = evidence.of_person(await use(tx, used_for=USED_FOR, by=officer))
    same = await by_card.same_person(tx, officer, card.cid)
    if same is None:
        raise OfficerNotComparable(reason="no_number")
    if not same:
        raise OfficerDiffers().surviving(partial(_differed, officer=officer, reading=reading))
    found = await by_card.confirm_line(tx, officer)
    await events.record(tx, "officer.confirmed", "officer", officer, facts={"reading": reading})
    return found


async def may_confirm(tx: Tx, officer: UUID) -> None:
    """Whether a card could confirm the line now. Raises `NoOfficer`, `OwnCard`,
    `OfficerNotComparable`."""
    _check(tx, await _line(tx, officer))


async def _line(tx: Tx, officer: UUID) -> Officer:
    reached = permissions.reaches(tx.actor, CONFIRM)
    assert isinstance(tx.actor, Session)
    line = await by_card.held_line(tx, officer)
    if line is None or (Reach.all not in reached and line.office != tx.actor.office):
        raise NoOfficer()
    return line


def _check(tx: Tx, line: Officer) -> None:
    assert isinstance(tx.actor, Session)
    if line.account == tx.actor.account:
        raise OwnCard()
    if line.ended_at is not None:
        raise OfficerNotComparable(reason="ended")


async def _differed(tx: Tx, officer: UUID, reading: UUID) -> None:
    """In a transaction of its own, after the rollback: neither number stands in it."""
    await using.spend(tx, reading, used_for=DIFFERED, by=officer)
    facts = {"reading": reading}
    await events.record(tx, "officer.confirmation_differed", "officer", officer, facts=facts)
