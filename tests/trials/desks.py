"""Desks that draft, sign and serve orders and upload what proves it, to servers that come and go.

A desk sends again until it knows what became of what it sent; `register.py` holds its journal
against the data base.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from api import ids
from api.accounts.authority import grant_authority
from api.accounts.fresh import give_ticket
from api.accounts.fresh_queries import Fresh
from api.accounts.model import AuthorityGrant, Power
from api.clock import bangkok_date
from api.db import Database, Unreachable
from api.permissions import Worker
from tests.inspection.orders import APPEAL, service
from tests.trials.callers import Caller
from tests.trials.house import House, Server
from tests.trials.uploads import Uploader
from tests.world import now

OFFICES = (
    ("inspector", "head", "11"),
    ("inspector-2", "head", "11"),
    ("inspector", "head", "11"),
    ("department", "department", "10"),
)
"""Who drafts and serves, who signs, where."""
HOWS = ("personal", "adult", "refused", "posted", "registered_post")
AT_ONCE = HOWS[:3]


@dataclass
class Signed:
    """What a desk knows of a signed order. `acknowledged`: a 200 arrived for the signature."""

    number: str
    document: str
    acknowledged: bool


@dataclass
class Served:
    order: UUID
    how: str
    evidence: list[UUID]
    answer: dict[str, Any]


@dataclass
class Journal:
    """All that a desk was told."""

    drafted: list[UUID] = field(default_factory=list)
    signed: dict[UUID, Signed] = field(default_factory=dict)
    served: dict[UUID, Served] = field(default_factory=dict)
    files: list[Uploader] = field(default_factory=list)
    lost: int = 0
    """Signatures without an answer, or with a 503: whether it counts had to be looked up."""
    leases: int = 0
    """How often the end of a killed worker's lease was brought forward."""


class Desk(Caller):
    """An inspector who drafts and serves, and an officer of the same reach who signs."""

    def __init__(self, house: House, servers: Sequence[Server], names: tuple[str, str]) -> None:
        super().__init__(house, servers, random.Random(f"{names}"))
        self.names, self.journal, self.signing = names, Journal(), asyncio.Event()
        self.premises: dict[str, str] = {}
        self.db: Database | None = None

    async def open(self, province: str, seed: str) -> None:
        self.dice = random.Random(seed)
        self.db = await self.house.database()
        await self.sign_in(*self.names)
        async with self.house.owner() as connection:
            found = await connection.fetchrow(
                """
                select l.premises_id::text as premises, l.id::text as licence
                from licence l join premises p on p.id = l.premises_id
                where l.status = 'operating' and p.province = $1 and p.merged_into is null
                order by l.licence_class desc, l.key limit 1
                """,
                province,
            )
        self.premises = dict(found)
        signer = self.accounts[self.names[1]]
        grant = AuthorityGrant(
            account=signer,
            power=Power.sign_order,
            section="37",
            instrument="คำสั่งแต่งตั้งตัวอย่าง",
            valid_from=bangkok_date(now()),
        )
        async with self.db.begin(Worker("trial")) as tx:
            await grant_authority(tx, ids.new(), grant)

    async def close(self) -> None:
        if self.db is not None:
            await self.db.close()

    async def work(self, stopping: asyncio.Event) -> None:
        """Signs one order after the other, while those before are served; all of them in the end.

        `signing` is set whenever a signature leaves the desk.
        """
        waiting = asyncio.Semaphore(3)
        async with asyncio.TaskGroup() as serving:
            while not stopping.is_set():
                if time.monotonic() - self.since > 300:
                    with contextlib.suppress(*Unreachable):
                        await self.sign_in(*self.names)
                order = await self._signed()
                await waiting.acquire()
                task = serving.create_task(self._serve(order))
                task.add_done_callback(lambda _: waiting.release())
                await asyncio.sleep(self.dice.uniform(0, 0.2))

    async def _upload(self) -> Uploader:
        token = self.tokens[self.names[0]]
        seed = self.dice.random()
        file = Uploader(token, self.dice.randrange(50_000, 400_000), random.Random(seed))
        await file.through(self.servers, self.dice.randrange(3))
        self.journal.files.append(file)
        return file

    async def _signed(self) -> UUID:
        """Drafts an urgent order against a danger, which needs no visit, and has it signed."""
        order = ids.new()
        inspector, officer = self.names
        body = {"kind": "correct", "basis": "danger", "content": WORDS} | self.premises
        await self.ask(inspector, "PUT", f"/v1/orders/{order}", body)
        self.journal.drafted.append(order)
        view = await self.ask(officer, "GET", f"/v1/orders/{order}/signing")
        assert not view["missing"], view["missing"]
        ticket = await self._ticket(view["sha256"])
        signature = {"type": "fresh_authentication", "sha256": view["sha256"], "ticket": ticket}
        path, wanted = f"/v1/orders/{order}/sign", {"signature": signature}
        for _ in range(200):
            self.signing.set()
            found = await self.once(officer, "POST", path, wanted, version=1)
            if found is not None and found.status_code == 200:
                return self._note(order, found.json(), acknowledged=True)
            if found is not None and found.status_code != 409:
                self.unexpected.append(f"sign: {found.status_code} {found.text[:300]}")
            self.journal.lost += 1
            seen = await self.ask(officer, "GET", f"/v1/orders/{order}")
            if seen["state"] != "draft":
                return self._note(order, seen, acknowledged=False)
            if found is not None:
                self.unexpected.append(f"not signed: {found.text[:300]}")
            await asyncio.sleep(0.05)
        raise AssertionError(f"{order} is never signed: {self.unexpected[-2:]}")

    def _note(self, order: UUID, seen: dict[str, Any], *, acknowledged: bool) -> UUID:
        self.journal.signed[order] = Signed(seen["number"], seen["document"], acknowledged)
        return order

    async def _ticket(self, sha256: str) -> str:
        """Of a fresh authentication, as the provider's log-in gives one."""
        vouched = Fresh(sha256, "https://provider.example", b"sample", now())
        assert self.db is not None
        for _ in range(400):
            try:
                async with self.db.begin(Worker("trial")) as tx:
                    account = self.accounts[self.names[1]]
                    _, given = await give_ticket(tx, account, "superapp-desk", vouched)
                return given.ticket
            except (*Unreachable, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
        raise AssertionError("no ticket is given")

    async def _serve(self, order: UUID) -> None:
        """Every other time with a photograph, once the worker has put it together."""
        proved = list[UUID]()
        if self.dice.random() < 0.5:
            file = await self._upload()
            end, patience = time.monotonic() + 120, time.monotonic() + 15
            while time.monotonic() < end:
                found = await self.ask(self.names[0], "GET", f"/v1/evidence/{file.id}")
                if found.get("state") != "checking":
                    break
                await asyncio.sleep(0.2)
                if time.monotonic() > patience:
                    await self._forward(file.id)
                    patience = time.monotonic() + 15
            assert found["state"] == "stored" and found["receipt"], found
            proved.append(file.id)
        await self._attempt(order, proved)

    async def _forward(self, file: UUID) -> None:
        """The worker that held the file's job was killed: its lease of minutes ends now."""
        with contextlib.suppress(*Unreachable):
            async with self.house.owner() as connection:
                held = "update job set due_at = now() where args->>'upload' = $1"
                await connection.execute(held, str(file))
        self.journal.leases += 1

    async def _attempt(self, order: UUID, proved: list[UUID]) -> None:
        attempt, how = ids.new(), self.dice.choice(HOWS)
        wanted = service(how, evidence=proved)
        path = f"/v1/orders/{order}/service/{attempt}"
        answer = await self.ask(self.names[0], "PUT", path, wanted)
        if self.dice.random() < 0.2:  # a phone that did not hear the answer
            assert await self.ask(self.names[0], "PUT", path, wanted) == answer
        self.journal.served[attempt] = Served(order, how, proved, answer)


WORDS = {
    "facts": "ถังสารเคมีรั่วอยู่ข้างเตาหลอม",
    "law": ["พ.ร.บ.โรงงาน พ.ศ. 2535 มาตรา 37 วรรคหนึ่ง"],
    "reasons": "อาจระเบิดได้",
    "measures": "ย้ายถังออกจากอาคาร",
    "days": 15,
    "hearing": {"type": "urgent", "reason": "รอไม่ได้"},
    "appeal": APPEAL,
}


@contextlib.asynccontextmanager
async def desks(house: House, servers: Sequence[Server], seed: str) -> AsyncIterator[list[Desk]]:
    """Three desks of one office and one of another, which numbers for itself."""
    made = list[Desk]()
    try:
        for place, (inspector, signer, province) in enumerate(OFFICES):
            made.append(Desk(house, servers, (inspector, signer)))
            await made[-1].open(province, f"{seed}-{place}")
        yield made
    finally:
        for desk in made:
            await desk.close()


@contextlib.asynccontextmanager
async def working(made: Sequence[Desk]) -> AsyncIterator[None]:
    """All desks work while the block runs; what one of them raises is raised here."""
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(desk.work(stopping)) for desk in made]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*tasks)


def total(made: Sequence[Desk]) -> int:
    return sum(len(desk.journal.signed) for desk in made)


async def leaves(made: Sequence[Desk]) -> None:
    """Returns in the moment in which any desk sends a signature."""
    for desk in made:
        desk.signing.clear()
    tasks = [asyncio.create_task(desk.signing.wait()) for desk in made]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    for task in tasks:
        task.cancel()


async def more(made: Sequence[Desk], count: int, within_s: float = 60) -> None:
    """Waits until `count` more orders are signed than now."""
    goal, end = total(made) + count, time.monotonic() + within_s
    while total(made) < goal:
        await asyncio.sleep(0.02)
        wrong = [u for desk in made for u in desk.unexpected]
        assert time.monotonic() < end, f"only {total(made)} of {goal}: {wrong[:2]}"
