"""The people of the tests: each speaks HTTP as one signed-in sample account."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec

from api import ids, job_loop, jobs, reactions
from api.accounts import seed as accounts
from api.accounts.fresh import give_ticket
from api.accounts.fresh_queries import Fresh
from api.accounts.samples import SAMPLES
from api.clock import bangkok_date
from api.db import Database
from api.jobs import Handler
from api.permissions import Worker


async def do_jobs(db: Database, handlers: Mapping[str, Handler] = reactions.JOBS) -> None:
    """Does every job that is due, and those that come of them, as the worker's loop does."""
    while True:
        async with db.begin(Worker("test")) as tx:
            taken = await jobs.take(tx, handlers, 50)
        if not taken:
            return
        for job in taken:
            await job_loop.run(db, job, handlers[job.name])


class Person:
    """`await world.inspector.get("/v1/visits")`: a request as this person."""

    def __init__(self, http: httpx.AsyncClient, key: str, account: UUID | None, token: str) -> None:
        self.http, self.key, self.account, self.token = http, key, account, token
        self.db: Database | None = None
        self.since = time.monotonic()

    async def keep_signed_in(self) -> None:
        """A token lives ten minutes, a long run of tests lives longer."""
        if self.db is not None and time.monotonic() - self.since > 480:
            async with self.db.begin(Worker("test")) as tx:
                _, tokens = await accounts.sign_in(tx, self.key)
            self.token, self.since = tokens.access_token, time.monotonic()

    async def request(
        self, method: str, path: str, *, version: int | None = None, **kwargs: Any
    ) -> httpx.Response:
        await self.keep_signed_in()
        headers = dict(kwargs.pop("headers", {}))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return await self.http.request(method, path, headers=headers, **kwargs)

    async def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return await self.request("GET", path, **kwargs)

    async def post(self, path: str, **kwargs: Any) -> httpx.Response:
        return await self.request("POST", path, **kwargs)

    async def put(self, path: str, **kwargs: Any) -> httpx.Response:
        return await self.request("PUT", path, **kwargs)

    async def push(self, *operations: dict[str, Any]) -> list[dict[str, Any]]:
        """Pushes the operations; every answer must be a 200 with a result for each."""
        answer = await self.post("/v1/sync", content=encode({"operations": operations}))
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        assert len(results) == len(operations)
        return results


class World:
    """All sample people by key, and what tests need to make records of their own."""

    def __init__(self, db: Database, http: httpx.AsyncClient, people: dict[str, Person]) -> None:
        self.db, self.http, self.people = db, http, people
        self.nobody = Person(http, "nobody", None, "")

    @classmethod
    async def open(cls, db: Database, http: httpx.AsyncClient) -> World:
        people = {}
        for sample in SAMPLES:
            async with db.begin(Worker("test")) as tx:
                account = await accounts.account(tx, sample.key)
                _, tokens = await accounts.sign_in(tx, sample.key)
            people[sample.key] = Person(http, sample.key, account, tokens.access_token)
            people[sample.key].db = db
        return cls(db, http, people)

    def __getattr__(self, name: str) -> Person:
        try:
            return self.__dict__["people"][name.replace("_", "-")]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, key: str) -> Person:
        return self.people[key]

    async def premises(
        self, *, class_: int = 3, province: str = "11", company: bool | None = None, nth: int = 0
    ) -> UUID:
        """A site with a position and one licence; `company`: held by the operator's company."""
        async with self.db.read() as tx:
            found = await tx.values(
                """
                select l.premises_id from licence l join premises p on p.id = l.premises_id
                where l.licence_class = $1 and p.province = $2 and l.status = 'operating'
                    and ($3::boolean is null or (l.operator_company is not null) = $3)
                    and (select count(*) from licence o where o.premises_id = p.id) = 1
                    and p.lat is not null and p.merged_into is null
                order by l.key
                """,
                class_,
                province,
                company,
            )
        return found[nth]  # type: ignore[no-any-return]

    async def plan(self, premises: UUID | None = None, **plan: Any) -> UUID:
        """A visit planned by the head, with both inspectors on the team."""
        visit = ids.new()
        body = {
            "premises": premises or await self.premises(),
            "planned_on": bangkok_date(now()).isoformat(),
            "lead": self["inspector"].account,
            "team": [self["inspector-2"].account],
        } | plan
        answer = await self["head"].put(f"/v1/visits/{visit}", content=encode(body))
        assert answer.status_code == 200, answer.text
        return visit

    async def ticket(self, person: Person, sha256: str) -> str:
        """A ticket of a fresh authentication over `sha256`, as the provider's log-in gives one."""
        assert person.account is not None
        vouched = Fresh(sha256, "https://provider.example", b"sample", now())
        async with self.db.begin(Worker("test")) as tx:
            _, given = await give_ticket(tx, person.account, "superapp-desk", vouched)
        return given.ticket

    async def sign_in_again(self, key: str) -> None:
        """For a person in a test that travels in time: their token counts from the new now."""
        async with self.db.begin(Worker("test")) as tx:
            _, tokens = await accounts.sign_in(tx, key)
        self[key].token, self[key].since = tokens.access_token, time.monotonic()

    async def work(self) -> None:
        """Does every job that waits, as a worker would."""
        await do_jobs(self.db)

    async def shown_as(self, visit: UUID) -> UUID:
        """The id under which its factory knows a visit."""
        async with self.db.read() as tx:
            found: UUID = await tx.value("select shown_as from visit where id = $1", visit)
        return found

    async def begun(self, premises: UUID | None = None, **plan: Any) -> UUID:
        """A planned visit that the lead has started at the gate."""
        visit = await self.plan(premises, **plan)
        (result,) = await self["inspector"].push(record(visit, start=gate()))
        assert result["status"] in ("stored", "flagged"), result
        return visit


def encode(body: Any) -> bytes:
    return msgspec.json.encode(body, enc_hook=str)


def now() -> datetime:
    return datetime.now(UTC)


def record(visit: UUID, *, id: UUID | None = None, **parts: Any) -> dict[str, Any]:
    """A `visit.record` operation with a fresh id."""
    return {"op": "visit.record", "id": id or ids.new(), "visit": visit, **parts}


def submit(visit: UUID) -> dict[str, Any]:
    return {"op": "visit.submit", "id": ids.new(), "visit": visit, "ended_at": now()}


def answer(item: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"item": item, "value": value, "answered_at": now(), **more}


def gate(at: datetime | None = None, lat: float = 13.6, lng: float = 100.6) -> dict[str, Any]:
    """An entry at the gate in the plant's hours, now: at midnight, a minute ago is another day."""
    at = at or now()
    return {
        "at": at,
        "position": {"lat": lat, "lng": lng, "accuracy_m": 8, "taken_at": at},
        "working_hours": {"start": "00:00", "end": "23:59"},
    }
