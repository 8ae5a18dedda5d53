"""Forty at once over two servers: the same complaint, and all that may happen to one."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, Final
from uuid import UUID

import httpx

from api import ids
from tests.complaints.conftest import secret, told
from tests.trials.complaint_books import Journal, Told, check, tally
from tests.trials.house import House, Server
from tests.world import encode

AT_ONCE: Final = 40
OFFICERS: Final = ("head", "provincial-officer", "inspector", "inspector-2")
PEOPLE: Final = ("citizen", "operator", "stranger")
WAYS: Final = ("signed in", "contact", "anonymous", "signed in, anonymous", "signed in, contact")
FORGED: Final = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP")


@contextlib.asynccontextmanager
async def lines(servers: Sequence[Server], network: str) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A client for each server, from an address of the loopback's own network (127/8)."""
    bounds = httpx.Limits(max_connections=200, max_keepalive_connections=50)
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=server.url,
                    timeout=30,
                    transport=httpx.AsyncHTTPTransport(local_address=network, limits=bounds),
                )
            )
            for server in servers
        ]


def forged(n: int) -> dict[str, str]:
    """Headers by which a program says that it is somebody else each time."""
    address = f"203.0.113.{n % 250}"
    return {name: f"for={address}" if name == "Forwarded" else address for name in FORGED}


async def signed_in(house: House, *names: str) -> dict[str, str]:
    """`Authorization` of the sample people."""
    return {name: f"Bearer {(await house.sign_in(name))[1]}" for name in names}


def no_fault(answers: Sequence[httpx.Response]) -> list[int]:
    """The status of each; raises AssertionError where one is a 5xx."""
    wrong = [answer.text[:300] for answer in answers if answer.status_code >= 500]
    assert not wrong, f"{len(wrong)} of {len(answers)}: {wrong[:2]}"
    return [answer.status_code for answer in answers]


# --- the same complaint ---------------------------------------------------------------------------


async def told_at_once(house: House, servers: Sequence[Server], way: str) -> dict[str, int]:
    """One complaint, sent by forty at once: all get the same answer, and there is one of it."""
    id, journal = ids.new(), Journal()
    body = told(contact=CONTACT if "contact" in way else None, anonymous="anonymous" in way)
    person = (await signed_in(house, "citizen"))["citizen"] if "signed in" in way else ""
    headers = {"Authorization": person} if person else {}
    async with lines(servers, "127.1.0.1") as clients:
        answers = await asyncio.gather(
            *(
                clients[n % len(clients)].put(
                    f"/v1/complaints/{id}", content=encode(body), headers=headers
                )
                for n in range(AT_ONCE)
            )
        )
    assert no_fault(answers) == [200] * AT_ONCE, [a.text for a in answers if a.status_code != 200]
    seen = [answer.json() for answer in answers]
    assert [each.pop("replayed") for each in seen].count(False) == 1
    different = [each for each in seen if each != seen[0]]
    assert not different, f"two answers to one complaint: {seen[0]} {different[0]}"
    journal.told[id] = Told(
        seen[0]["number"],
        seen[0]["code"],
        contact="contact" in way,
        account="signed in" in way and "anonymous" not in way,
    )
    async with house.owner() as connection:
        counted = await check(connection, [journal])
        keys = "select count(*) from data_key where id in (select data_key from complainant "
        assert await connection.fetchval(f"{keys} where complaint = $1)", id) == ("contact" in way)
        jobs = "select count(*) from job where args->>'record' = $1"
        assert await connection.fetchval(jobs, str(id)) <= 1
    return counted


CONTACT: Final = {"name": "ผู้ร้องตัวอย่าง", "phone": "02-000-0001"}


# --- everything that may happen to one ------------------------------------------------------------


class Scene:
    """A complaint that an inspector works on, and everybody who has to do with it."""

    def __init__(self, house: House, clients: list[httpx.AsyncClient], seed: int) -> None:
        self.house, self.clients, self.dice = house, clients, random.Random(seed)
        self.id, self.journal, self.people = ids.new(), Journal(), dict[str, str]()
        self.shown = ""
        self.accounts: dict[str, str] = {}

    async def send(
        self, who: str, method: str, path: str, body: Any = None, version: int | None = None
    ) -> httpx.Response:
        headers = {"Authorization": self.people[who]} if who else {}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        content = None if body is None else encode(body)
        client = self.dice.choice(self.clients)
        return await client.request(method, path, content=content, headers=headers)

    async def open(self) -> None:
        """Told by contact, released, taken up, assigned and begun."""
        for name in (*OFFICERS, *PEOPLE):
            account, token = await self.house.sign_in(name)
            self.accounts[name], self.people[name] = account, f"Bearer {token}"
        body = told(contact=CONTACT)
        made = await self.send("", "PUT", f"/v1/complaints/{self.id}", body)
        assert made.status_code == 200, made.text
        answer = made.json()
        self.journal.told[self.id] = Told(answer["number"], answer["code"], contact=True)
        self.people["sender"] = f"Tracking {answer['code']}"
        for who, verb, more in (
            ("head", "accept", None),
            ("head", "assign", {"officer": self.accounts["inspector"]}),
            ("inspector", "begin", None),
        ):
            done = await self.verb(who, verb, more)
            assert done.status_code == 200, done.text
        async with self.house.owner() as connection:
            self.shown = str(
                await connection.fetchval(
                    "update complaint set released_at = now(), released_by = $2, "
                    "released_text = 'กลิ่นสารเคมีเวลากลางคืน' where id = $1 returning shown_as",
                    self.id,
                    UUID(self.accounts["head"]),
                )
            )

    async def verb(self, who: str, verb: str, body: Any = None) -> httpx.Response:
        """As somebody at a desk who, where it has changed meanwhile, looks again."""
        path = f"/v1/complaints/{self.id}"
        for _ in range(60):
            seen = await self.send(who, "GET", path)
            if seen.status_code != 200:
                return seen
            done = await self.send(who, "POST", f"{path}/{verb}", body, seen.json()["version"])
            if done.status_code != 409 or done.json()["code"] != "ground/stale-version":
                break
        if done.status_code == 200:
            self.journal.told[self.id].moves.append(PAST[verb])
        return done

    async def entry(self, who: str, what: str, kind: str, **said: Any) -> httpx.Response:
        id, text = ids.new(), f"{kind} {self.dice.random()}"
        of = "own-complaints" if who == "sender" else "complaints"
        path = f"/v1/{of}/{self.id}/{what}/{id}"
        done = await self.send(who, "PUT", path, {"text": text} | said)
        if done.status_code == 200:
            self.journal.said[id] = (self.id, kind, text)
        return done

    async def me_too(self, who: str) -> httpx.Response:
        id = ids.new()
        path = f"/v1/complaints/{self.shown}/me-toos/{id}"
        done = await self.send(who, "PUT", path, {"secret": secret()})
        if done.status_code == 200 and not done.json()["replayed"]:
            self.journal.joined[id] = self.id
        return done


PAST: Final = {
    "accept": "accepted",
    "assign": "assigned",
    "begin": "begun",
    "ask": "asked",
    "inform": "informed",
    "resolve": "resolved",
    "close": "closed",
}


async def updated_at_once(
    house: House, servers: Sequence[Server], *, ends: bool, seed: int = 1
) -> dict[str, Any]:
    """Forty different updates of one complaint at once; `ends`: also what ends it.

    Whatever was acknowledged is there, whatever else came was refused for a reason.
    """
    async with lines(servers, f"127.1.1.{seed % 250}") as clients:
        scene = Scene(house, clients, seed)
        await scene.open()
        updates: list[Awaitable[httpx.Response]] = [
            *(scene.entry(OFFICERS[n % 4], "notes", "note") for n in range(10)),
            *(scene.entry(OFFICERS[n % 3], "messages", "message") for n in range(4)),
            *(scene.entry("inspector", "calls", "call", reached=True) for _ in range(2)),
            *(scene.entry("sender", "additions", "addition") for _ in range(6)),
            *(scene.entry("sender", "occurrences", "occurrence") for _ in range(6)),
            *(scene.me_too(("", *PEOPLE)[n % 4]) for n in range(6)),
            *crossing(scene, ends=ends),
        ]
        assert len(updates) == AT_ONCE
        scene.dice.shuffle(updates)
        answers = await asyncio.gather(*updates)
        statuses = no_fault(answers)
    codes = tally(a.json()["code"] for a in answers if a.status_code != 200)
    allowed = ALWAYS | (ENDING if ends else set())
    assert codes.keys() <= allowed, f"{codes}"
    if not ends:  # notes, messages, additions, occurrences and me-toos conflict with nothing
        assert statuses.count(200) >= 34, codes
    async with house.owner() as connection:
        counted = await check(connection, [scene.journal])
        entries = await connection.fetchval(
            "select count(*) from complaint_entry where complaint = $1 and kind <> all ($2) "
            "and (kind <> 'answer' or complainant is not null)",
            scene.id,
            ["question", "decision"],
        )
        assert entries == counted["entries"], "kept, and nobody was told"
    return counted | {"200": statuses.count(200), "refused": codes}


ALWAYS: Final = {
    *("complaints/complaint-sealed", "complaints/complaint-ended", "ground/stale-version"),
}
ENDING: Final = {"complaints/nobody-to-ask"}


def crossing(scene: Scene, *, ends: bool) -> list[Awaitable[httpx.Response]]:
    """Six verbs of desks that all look at the same complaint."""
    question = {"id": ids.new(), "text": "เวลาใด"}
    answered = {"text": "พบตามร้อง", "outcome": "substantiated"}
    other, first = ({"officer": scene.accounts[key]} for key in ("inspector-2", "inspector"))
    if not ends:
        return [
            scene.verb("head", "assign", other),
            scene.verb("provincial-officer", "assign", first),
            scene.verb("inspector", "ask", question),
            scene.verb("inspector-2", "ask", question | {"id": ids.new()}),
            scene.verb("head", "inform", {"id": ids.new(), "text": "ทางโทรศัพท์"}),
            scene.entry("sender", "answers", "answer"),
        ]
    path = f"/v1/own-complaints/{scene.id}/withdrawal"
    return [
        scene.verb("head", "assign", other),
        scene.verb("inspector", "ask", question),
        scene.verb("inspector", "resolve", answered),
        scene.verb("head", "resolve", answered),
        scene.send("sender", "PUT", path),
        scene.entry("sender", "ratings", "rating", solved=True),
    ]
