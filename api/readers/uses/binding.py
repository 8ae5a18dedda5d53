"""A person comes to the counter, and their card says who the holder of an i-Industry account is."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

import msgspec

from api import codes, events, ids, limits, permissions, sealed
from api.accounts import by_card
from api.accounts.by_card import NationalIdDiffers, NationalIdElsewhere
from api.db import Tx
from api.limits import Bucket
from api.permissions import Session
from api.problems import Overloaded, Problem
from api.readers.model import Purpose
from api.readers.readings import using
from api.readers.uses import evidence, queries
from api.readers.uses.problems import AccountCodeMistyped, AccountCodeNotFound, OwnCard
from api.readers.uses.views import AccountCode, BoundAccount

ASK: Final = "account.ask_code"
BIND: Final = "reading.bind_account"
CODE: Final = 8
"""Characters, one of them the check: 35 random bits, which the limits below make enough."""
CODE_FOR: Final = timedelta(minutes=10)
USED_FOR: Final = "account"


async def ask(tx: Tx) -> AccountCode:
    """A code for the caller's own account; the one before it ends. Raises `TooFast`."""
    permissions.reaches(tx.actor, ASK)
    assert isinstance(tx.actor, Session)
    account = tx.actor.account
    await limits.take(tx, f"account-code:{account}", capacity=6, per_second=6 / 3600)
    await tx.lock([account])  # two at once: one code stands
    for _ in range(3):
        id, code = ids.new(), codes.new(CODE)
        until = tx.now + CODE_FOR
        if await queries.insert_code(tx, id, account, sealed.index("account.code", code), until):
            await events.record(tx, "account.code_asked", "account", account)
            return AccountCode(code=codes.shown(code), expires_at=until)
    raise Overloaded()


def typed(code: str) -> str:
    """The code that a person typed. Raises `AccountCodeMistyped`, which is not counted."""
    found = codes.read(code, CODE)
    if found is None:
        raise AccountCodeMistyped()
    return found


async def take_try(tx: Tx, network: str) -> None:
    """A code more to be tried, in a transaction of its own; `bind` gives it back for a right one.

    Raises `TooFast`.
    """
    await limits.take_all(tx, _tries(tx, network))


async def bind(tx: Tx, reading: UUID, code: str, network: str) -> BoundAccount:
    """Sets the national ID of the account that shows `code`, or finds it equal to the card's.

    The same again, of the same session, is the same. Raises what `using.use` does, and
    `AccountCodeNotFound`, `OwnCard`, `ReadingNotEnough`, `NationalIdElsewhere`,
    `NationalIdDiffers`, `WrongCid`, `AccountSuspended`, `Erased`; then nothing has changed.
    """
    permissions.reaches(tx.actor, BIND)
    assert isinstance(tx.actor, Session)
    await using.own(tx, reading)
    row = await queries.held_code(tx, sealed.indexes("account.code", code))
    if row is not None and row.reading == reading:
        await limits.give_back(tx, _tries(tx, network))
        return _bound(row)
    if row is None or row.used_at is not None or row.expires_at <= tx.now:
        raise AccountCodeNotFound()
    await limits.give_back(tx, _tries(tx, network))
    if row.account == tx.actor.account:
        raise OwnCard()
    used = await using.use(
        tx, reading, Purpose.bind_account, about=row.account, used_for=USED_FOR, by=row.account
    )
    card = evidence.of_person(used)
    try:
        known, filled = await by_card.bind(
            tx, row.account, card.cid, evidence.name(card.name_th), evidence.name(card.name_en)
        )
    except (NationalIdElsewhere, NationalIdDiffers) as problem:
        raise _noted(problem, row.account, reading) from None
    await queries.use_code(tx, row.id, reading, known, filled)
    facts = {"reading": reading, "known_before": known, "filled": filled, "levels": used.levels}
    await events.record(tx, "account.bound", "account", row.account, facts=facts)
    row.used_at, row.reading, row.known_before, row.filled = tx.now, reading, known, filled
    return _bound(row)


def _noted(problem: Problem, account: UUID, reading: UUID) -> Problem:
    """The refusal outlives its transaction: the administrator is told, without a number."""
    facts = {"reading": reading, "reason": problem.code.partition("/")[2]}
    return problem.surviving(
        partial(
            events.record,
            name="account.binding_refused",
            kind="account",
            record=account,
            facts=facts,
        )
    )


def _bound(row: queries.CodeRow) -> BoundAccount:
    return msgspec.convert(
        {
            "reading": row.reading,
            "bound_at": row.used_at,
            "known_before": row.known_before,
            "filled": row.filled,
        },
        BoundAccount,
    )


def _tries(tx: Tx, network: str) -> list[Bucket]:
    assert isinstance(tx.actor, Session)
    hour = 1 / 3600
    return [
        Bucket(f"account-code-try:{tx.actor.account}", 10, 10 * hour),
        Bucket(limits.named("account-code-try", network), 60, 60 * hour),
    ]
