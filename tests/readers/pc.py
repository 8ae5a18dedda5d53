"""A desk PC with the real bridge program in it, its readers scripted, its server real."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

from api import ids
from reader_bridge import enrolment, service
from reader_bridge.device.folder import Configuration
from reader_bridge.enrolment import Begun
from reader_bridge.pcsc.watcher import Watcher
from tests.bridge.scripted import ScriptedReaders
from tests.readers.bridges import Running
from tests.world import Person, encode


class At:
    """A person's requests to one real server."""

    def __init__(self, at: Running, person: Person) -> None:
        self.at, self.person = at, person

    async def request(self, method: str, path: str, body: Any = None, **kwargs: Any) -> Any:
        await self.person.keep_signed_in()
        headers = {"Authorization": f"Bearer {self.person.token}"} | kwargs.pop("headers", {})
        content = None if body is None else encode(body)
        async with self.at.http() as http:
            answer = await http.request(method, path, content=content, headers=headers, **kwargs)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None


async def enrolled(at: Running, head: Person, where: Path, audience: str) -> Configuration:
    """Enrols the folder's PC, approved by `head` for their own office."""
    approver, shown = At(at, head), asyncio.Queue[Begun]()
    loop = asyncio.get_running_loop()

    def show(begun: Begun) -> None:
        loop.call_soon_threadsafe(shown.put_nowait, begun)

    def ask() -> Configuration:
        return enrolment.enrol(
            where,
            at.url,
            audience=audience,
            name="พีซีตัวอย่าง",
            software="test",
            show=show,
            in_file=True,
            pause=lambda seconds: time.sleep(min(seconds, 0.05)),
        )

    asking = asyncio.create_task(asyncio.to_thread(ask))
    begun = await shown.get()
    looked = await approver.request(
        "POST", "/v1/bridges/enrolments/look", {"user_code": begun.user_code}
    )
    office = (await approver.request("GET", "/v1/me"))["office"]["id"]
    await approver.request(
        "POST",
        f"/v1/bridges/enrolments/{looked['id']}/approve",
        {
            "fingerprint": begun.fingerprint[:14],
            "office": office,
            "name": "พีซีตัวอย่าง",
        },
    )
    return await asking


@asynccontextmanager
async def serving(where: Path, port: ScriptedReaders) -> AsyncIterator[asyncio.Task[None]]:
    """The bridge program, in this process. Its readers count as settled at once: what that time is
    for, `tests/bridge/test_watcher.py` tells."""
    stopping = asyncio.Event()
    with mock.patch.object(service, "Watcher", partial(Watcher, settled=0.0)):
        task = asyncio.create_task(service.serve(where, "test", port, stopping))
        try:
            yield task
        finally:
            stopping.set()
            await asyncio.wait([task])


async def mapped(
    at: Running, head: Person, bridge: UUID, port: ScriptedReaders, **card: Any
) -> UUID:
    """A desk whose reader is shown by putting a card in."""
    desk, intent, boss = ids.new(), ids.new(), At(at, head)
    office = (await boss.request("GET", "/v1/me"))["office"]["id"]
    await boss.request("PUT", f"/v1/desks/{desk}", {"office": office, "name": f"ช่อง {desk}"})
    async with asyncio.timeout(20):
        while not (await boss.request("GET", f"/v1/bridges/{bridge}"))["connected"]:
            await asyncio.sleep(0.02)
    await boss.request(
        "PUT", f"/v1/intents/{intent}", {"desk": desk, "purpose": "map_desk", "bridge": bridge}
    )
    reader, virtual = card["reader"], card["card"]
    await until(boss, intent, step="waiting")
    port.insert(reader, virtual)
    await until(boss, intent, state="delivered")
    port.remove(reader)
    return desk


async def until(who: At, intent: UUID, within_s: float = 20.0, **wanted: Any) -> dict[str, Any]:
    """Polls the intent until it says this."""
    async with asyncio.timeout(within_s):
        while True:
            found: dict[str, Any] = await who.request("GET", f"/v1/intents/{intent}")
            if all(found[name] == value for name, value in wanted.items()):
                return found
            await asyncio.sleep(0.02)
