"""A desk PC with the real bridge program in it, its readers scripted, its server real."""

from __future__ import annotations

import asyncio
import threading
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
from reader_bridge.line import rotation
from reader_bridge.pcsc.watcher import Watcher
from tests.bridge.scripted import ScriptedReaders
from tests.pcsc.people import person
from tests.pcsc.virtual_card import VirtualCard
from tests.readers.bridges import Running
from tests.world import Person, World, encode

READER = "Sample Reader A 00 00"


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


async def enrolled(
    at: Running, head: Person, where: Path, audience: str, *, by: str = ""
) -> Configuration:
    """Enrols the folder's PC, approved by `head` for their own office; `by`: the PC's way there."""
    approver, shown = At(at, head), asyncio.Queue[Begun]()
    loop = asyncio.get_running_loop()

    def show(begun: Begun) -> None:
        loop.call_soon_threadsafe(shown.put_nowait, begun)

    given_up = threading.Event()

    def pause(seconds: float) -> None:
        if given_up.wait(min(seconds, 0.05)):
            raise TimeoutError  # as whoever enrols does who waits no longer

    def ask() -> Configuration:
        return enrolment.enrol(
            where,
            by or at.url,
            audience=audience,
            name="พีซีตัวอย่าง",
            software="test",
            show=show,
            in_file=True,
            pause=pause,
        )

    asking = asyncio.create_task(asyncio.to_thread(ask))
    telling = asyncio.create_task(shown.get())
    await asyncio.wait((asking, telling), return_when=asyncio.FIRST_COMPLETED)
    if asking.done():
        telling.cancel()
        return asking.result()
    try:
        begun = telling.result()
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
    except BaseException:
        given_up.set()
        await asyncio.gather(asking, return_exceptions=True)
        raise
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


def notes(where: Path) -> dict[str, str]:
    _, kept = rotation.opened(where)
    try:
        return kept.notes()
    finally:
        kept.close()


async def noted(where: Path, true: Any, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true(notes(where)):
            await asyncio.sleep(0.05)


async def read_once(
    server: Running, world: World, device: UUID, port: ScriptedReaders, number: int, desk: UUID
) -> dict[str, Any]:
    officer, intent = At(server, world.inspector), ids.new()
    body = {"desk": desk, "purpose": "identify_complainant"}
    await officer.request("PUT", f"/v1/intents/{intent}", body)
    await until(officer, intent, step="waiting")
    port.insert(READER, VirtualCard(person(number)))
    found = await until(officer, intent, state="delivered")
    port.remove(READER)
    reading: dict[str, Any] = await officer.request("GET", f"/v1/readings/{found['reading']}")
    return reading
