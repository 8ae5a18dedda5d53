"""The door by which a process's statements come: those that wait are taken in one transaction.

Whoever comes while none is being taken goes at once; those who come meanwhile go together with the
next, at most `MOST`. So one that is alone waits for nothing, and the more there are, the less each
costs: a transaction's beginning, its commit and its round trips are shared. Nothing else is: each
is judged alone (`accept.take_all`), has its own answer, and that only after the commit.

What fails for several at once is taken again, each in a transaction of its own: what is wrong with
one is its own matter.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final
from uuid import UUID

from api.db import Database
from api.permissions import NOBODY, Bridge
from api.problems import Overloaded, Problem
from api.readers.model import Purpose
from api.readers.readings import accept
from api.readers.readings.accept import Outcome
from api.readers.readings.judging import Asked
from reader_bridge.messages import Missing, Receipt, Sealed, Signed

log = logging.getLogger("superapp.readers")
MOST: Final = 32
"""So many in one transaction: each holds its rows until the last is written."""
PATIENCE_S: Final = 0.05
"""So long one transaction may keep the next waiting; one that waits for a lock keeps nobody."""


class _Waiting:
    """A statement and its answer. `alone`: with no other in its transaction."""

    __slots__ = ("alone", "answer", "asked")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        # Mapping a desk locks it, and the desk that it moves from.
        self.alone = asked.said.purpose == Purpose.map_desk
        self.answer: asyncio.Future[Receipt | Missing] = asyncio.get_running_loop().create_future()


class Together:
    """One for each process. `slots`: so many transactions at once, with whatever else uses them."""

    def __init__(self, db: Database, slots: asyncio.Semaphore) -> None:
        self._db, self._slots = db, slots
        self._of: dict[UUID, _Waiting] = {}  # of each device at most one, until it is answered
        self._waiting: deque[_Waiting] = deque()
        self._young: object = None  # a transaction that those who come shall wait for
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, device: UUID, signed: Signed, payload: Sealed | None) -> Receipt | Missing:
        """What becomes of it (`accept.Outcome`), once that is committed. Raises the problem, and
        errors of the data base: then nobody knows, and it is to be said again.

        Cancelled, it is not taken, unless that has begun.
        """
        asked = accept.asked(device, signed, payload)
        while (before := self._of.get(device)) is not None:
            await asyncio.wait((before.answer,))
        mine = self._of[device] = _Waiting(asked)
        self._waiting.append(mine)
        self._next()
        try:
            return await asyncio.shield(mine.answer)
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
                self._answer(mine, Overloaded())
            raise

    async def close(self) -> None:
        """Ends what runs; whoever still waits is told to come back."""
        self._waiting.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._young = None  # one that had not begun yet has not said so
        for one in list(self._of.values()):
            self._answer(one, Overloaded())

    def _next(self) -> None:
        if self._waiting and self._young is None:
            self._young = me = object()
            task = asyncio.create_task(self._run(me))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _no_longer_young(self, which: object) -> None:
        if self._young is which:
            self._young = None
        self._next()

    async def _run(self, me: object) -> None:
        several: list[_Waiting] = []
        try:
            async with self._slots:
                several = self._those_who_go()
                call_later = asyncio.get_running_loop().call_later
                patience = call_later(PATIENCE_S, self._no_longer_young, me)
                try:
                    if several:
                        await self._take(several)
                finally:
                    patience.cancel()
        except BaseException:  # the process ends
            for one in several:
                self._answer(one, Overloaded())
            raise
        finally:
            self._no_longer_young(me)

    def _those_who_go(self) -> list[_Waiting]:
        """The first who waits, and who comes next and needs not be alone."""
        found: list[_Waiting] = []
        while self._waiting and len(found) < MOST:
            if found and (found[0].alone or self._waiting[0].alone):
                break
            found.append(self._waiting.popleft())
        return found

    async def _take(self, several: list[_Waiting]) -> None:
        try:
            found = await self._db.retrying(
                lambda tx: accept.take_all(tx, [one.asked for one in several]), NOBODY
            )
        except Exception as error:
            if len(several) == 1:
                self._answer(several[0], error)
                return
            facts = {"error": type(error).__name__, "statements": len(several)}
            log.warning("statements are taken one by one", extra={"facts": facts})
            for one in several:
                one.alone = True
            self._waiting.extendleft(reversed(several))
            return
        forked = []
        for one, outcome in zip(several, found, strict=True):
            if isinstance(outcome, Problem) and outcome.survivors:
                forked.append((one, outcome))
            else:
                self._answer(one, outcome)
        for one, problem in forked:
            try:
                await self._db.survive(problem, Bridge(one.asked.device))
                self._answer(one, problem)
            except Exception as error:
                self._answer(one, error)

    def _answer(self, one: _Waiting, outcome: Outcome | Exception) -> None:
        if one.answer.done():
            return
        self._of.pop(one.asked.device, None)
        if isinstance(outcome, Exception):
            one.answer.set_exception(outcome)
            one.answer.exception()  # whoever asked may have gone: then nobody looks at it
        else:
            one.answer.set_result(outcome)
