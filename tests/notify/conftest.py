"""People with inboxes and devices, and a push service of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from firebase_admin import messaging

from api import ids, jobs
from api.accounts import seed as accounts
from api.db import Database
from api.notify import firebase, service
from api.permissions import Worker
from api.reactions import JOBS
from tests.notify import fcm
from tests.world import Person, World, do_jobs, encode


class Post:
    """`send` to a person, `push` what is due, and look at what is left."""

    def __init__(self, world: World, server: fcm.Fcm) -> None:
        self.world, self.db, self.fcm = world, world.db, server

    async def send(self, person: Person, key: str | None = None, **facts: Any) -> UUID:
        """Returns the message's id, which is also its tag."""
        assert person.account is not None
        key = key or f"test {ids.new()}"
        async with self.db.begin(Worker("test")) as tx:
            await service.send(
                tx,
                account=person.account,
                template="visit.submitted",
                facts={"factory": "โรงงานตัวอย่าง"} | facts,
                about=("visit", ids.new()),
                key=key,
            )
            found: UUID = await tx.value(
                "select id from message where account = $1 and key = $2", person.account, key
            )
        return found

    async def device(self, token: str, key: str = "citizen", language: str = "th") -> Person:
        """A new session of the sample person with one device, whose token is `token`."""
        async with self.db.begin(Worker("test")) as tx:
            account = await accounts.account(tx, key)
            _, tokens = await accounts.sign_in(tx, key)
        person = Person(self.world.http, key, account, tokens.access_token)
        body = {"token": token, "language": language}
        made = await person.put(f"/v1/devices/{ids.new()}", content=encode(body))
        assert made.status_code == 200, made.text
        return person

    async def work(self, *names: str) -> None:
        """Does every job that is due, of these names, once."""
        await do_jobs(self.db, {n: JOBS[n] for n in names or JOBS})

    async def left(self) -> list[jobs.Line]:
        async with self.db.read() as tx:
            found = [*await jobs.lines(tx, failed=False), *await jobs.lines(tx, failed=True)]
        return [line for line in found if line.name == service.PUSH_JOB]

    async def tokens(self) -> set[str]:
        async with self.db.read() as tx:
            return set(await tx.values("select token from device"))


@pytest_asyncio.fixture
async def post(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Post]:
    """Through the real `firebase-admin`, whose addresses lead to the local server."""
    with fcm.running() as server:
        url = f"{server.url}/v1/projects/{{0}}/messages:send"
        monkeypatch.setattr(messaging._MessagingService, "FCM_URL", url)
        sender = firebase.Sender(server.credentials(), timeout_s=0.5)
        firebase.use(sender)
        await _clear(world.db)
        yield Post(world, server)
        firebase.use(None)
        await asyncio.to_thread(sender.close)
        await _clear(world.db)


async def _clear(db: Database) -> None:
    async with db.pool.acquire() as connection:
        await connection.execute("delete from device")
        await connection.execute("delete from job")


LATER = timedelta(hours=2)
