"""Neighbours who tell complaints and offices that take them up, over servers that come and go.

Everybody sends again until they know what became of what they sent; `complaint_books.py` holds
their journals against the data base.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from api import ids
from api.db import Unreachable
from tests.complaints.conftest import told
from tests.trials.callers import Caller
from tests.trials.complaint_books import Journal, Told
from tests.trials.house import House, Server

OFFICE: Final = ("head", "inspector", "citizen")
HEAR: Final = ("provincial-officer", "department", "ministry")
"""Who has an account only after they have signed in once."""
LED_TO: Final = {
    "accept": "accepted",
    "assign": "assigned",
    "begin": "in_progress",
    "ask": "awaiting_info",
    "resolve": "resolved",
}
PAST: Final = LED_TO | {"begin": "begun", "ask": "asked"}
ORDER: Final = ("submitted", "accepted", "assigned", "in_progress", "awaiting_info", "resolved")


class Neighbourhood(Caller):
    """One who tells a complaint after the other, and the head and inspector who deal with it.

    `way`: signed in, by e-mail, or without a word of who they are.
    """

    def __init__(self, house: House, servers: Sequence[Server], way: str, seed: str) -> None:
        super().__init__(house, servers, random.Random(seed))
        self.way, self.journal, self.sending = way, Journal(), asyncio.Event()
        self.lost = 0
        """Verbs without an answer: whether they count had to be looked up."""

    async def open(self) -> None:
        await self.sign_in(*OFFICE, *HEAR)

    def authorization(self, name: str) -> Mapping[str, str]:
        """`name`: a sample person, a tracking code, or nobody."""
        if name in self.tokens:
            return super().authorization(name)
        return {"Authorization": f"Tracking {name}"} if name else {}

    async def work(self, stopping: asyncio.Event) -> None:
        """One complaint after the other, two at a time; all of them to the end."""
        at_once = asyncio.Semaphore(2)
        async with asyncio.TaskGroup() as matters:
            while not stopping.is_set():
                if time.monotonic() - self.since > 300:
                    with contextlib.suppress(*Unreachable):
                        await self.sign_in(*OFFICE)
                await at_once.acquire()
                task = matters.create_task(self._matter())
                task.add_done_callback(lambda _: at_once.release())
                await asyncio.sleep(self.dice.uniform(0, 0.1))

    async def _matter(self) -> None:
        """From the smell to the rating, while the one who told it goes on adding."""
        id = await self.tell()
        await asyncio.gather(self._taken_up(id), self._add(id, 2), self._add(id, 2))
        await self._said(id, "ratings", "rating", solved=True)

    async def tell(self) -> UUID:
        """Sent until it is answered, and sometimes once more, as a phone that heard nothing."""
        id, who = ids.new(), "citizen" if self.way == "signed in" else ""
        email = f"{id.hex}@example.invalid" if self.way == "e-mail" else ""
        body = told(contact={"email": email, "name": "ตัวอย่าง"} if email else None)
        path = f"/v1/complaints/{id}"
        self.sending.set()
        seen = await self.ask(who, "PUT", path, body)
        if self.dice.random() < 0.3:
            again = await self.ask(who, "PUT", path, body)
            assert again["replayed"]
            for part in ("id", "number", "code", "received_at", "answer_by"):
                assert again[part] == seen[part], f"{part}: {seen} {again}"
        self.journal.told[id] = Told(
            seen["number"],
            seen["code"],
            contact=bool(email),
            account=bool(who),
            email=email,
        )
        return id

    def _sender(self, id: UUID) -> str:
        by_code = self.way != "signed in" or self.dice.random() < 0.5
        return self.journal.told[id].code if by_code else "citizen"

    async def _said(self, id: UUID, what: str, kind: str, **more: Any) -> None:
        entry, text = ids.new(), f"{kind} {self.dice.random()}"
        path, body = f"/v1/own-complaints/{id}/{what}/{entry}", {"text": text} | more
        who = self._sender(id)
        self.sending.set()
        await self.ask(who, "PUT", path, body)
        if self.dice.random() < 0.2:
            assert (await self.ask(who, "PUT", path, body))["replayed"]
        self.journal.said[entry] = (id, kind, text)

    async def _add(self, id: UUID, count: int) -> None:
        for _ in range(count):
            if self.dice.random() < 0.5:
                await self._said(id, "additions", "addition")
            else:
                await self._said(id, "occurrences", "occurrence")
            await asyncio.sleep(self.dice.uniform(0, 0.1))

    async def _taken_up(self, id: UUID) -> None:
        inspector, question = {"officer": self.accounts["inspector"]}, ids.new()
        await self._verb(id, "head", "accept")
        await self._verb(id, "head", "assign", inspector)
        await self._verb(id, "inspector", "begin")
        await self._office_says(id, "notes", "note")
        await self._verb(id, "inspector", "ask", {"id": question, "text": "เวลาใด"})
        self.journal.said[question] = (id, "question", "เวลาใด")
        await self._said(id, "answers", "answer")
        await self._office_says(id, "messages", "message")
        done = {"outcome": "substantiated", "text": "พบตามร้อง"}
        await self._verb(id, "inspector", "resolve", done)

    async def _office_says(self, id: UUID, what: str, kind: str) -> None:
        entry, text = ids.new(), f"{kind} {self.dice.random()}"
        self.sending.set()
        path = f"/v1/complaints/{id}/{what}/{entry}"
        await self.ask("inspector", "PUT", path, {"text": text})
        self.journal.said[entry] = (id, kind, text)

    async def _verb(self, id: UUID, who: str, verb: str, body: Any = None) -> None:
        """Looks, does it, and looks again where no answer came; until it is done."""
        path, end = f"/v1/complaints/{id}", time.monotonic() + 90
        while time.monotonic() < end:
            seen = await self.ask(who, "GET", path)
            if ORDER.index(seen["state"]) >= ORDER.index(LED_TO[verb]):
                return
            self.sending.set()
            found = await self.once(who, "POST", f"{path}/{verb}", body, seen["version"])
            if found is None:
                self.lost += 1
                await asyncio.sleep(0.05)
            elif found.status_code == 200:
                self.journal.told[id].moves.append(PAST[verb])
                return
            elif found.status_code != 409:  # somebody added something meanwhile
                self.unexpected.append(f"{verb}: {found.status_code} {found.text[:200]}")
        raise AssertionError(f"{verb} of {id} is never done: {self.unexpected[-2:]}")


WAYS: Final = ("signed in", "e-mail", "nobody", "e-mail")


@contextlib.asynccontextmanager
async def working(made: Sequence[Neighbourhood]) -> AsyncIterator[None]:
    """All of them work while the block runs; what one of them raises is raised here."""
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(each.work(stopping)) for each in made]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*tasks)


def total(made: Sequence[Neighbourhood]) -> int:
    return sum(len(each.journal.said) for each in made)


async def leaves(made: Sequence[Neighbourhood]) -> None:
    """Returns in the moment in which any of them sends something."""
    for each in made:
        each.sending.clear()
    tasks = [asyncio.create_task(each.sending.wait()) for each in made]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    for task in tasks:
        task.cancel()


async def more(made: Sequence[Neighbourhood], count: int, within_s: float = 60) -> None:
    """Waits until `count` more entries are acknowledged than now."""
    goal, end = total(made) + count, time.monotonic() + within_s
    while total(made) < goal:
        await asyncio.sleep(0.02)
        wrong = [u for each in made for u in each.unexpected]
        assert time.monotonic() < end, f"only {total(made)} of {goal}: {wrong[:2]}"
