"""The real bridge program at a real server: enrolled, mapped, armed, a card put in, received."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest_asyncio

from api import ids
from api.db import Database
from api.settings import Settings
from tests.bridge.scripted import ScriptedReaders
from tests.pcsc.people import person
from tests.pcsc.virtual_card import VirtualCard
from tests.readers.bridges import Running, running
from tests.readers.pc import At, enrolled, mapped, serving, until
from tests.world import World

READERS = ("Sample Reader A 00 00", "Sample Reader B 00 00")


@pytest_asyncio.fixture
async def server(conf: Settings, db: Database, world: World) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


async def test_a_card_in_the_reader_reaches_the_officer_who_waits(
    server: Running, conf: Settings, world: World, tmp_path: Path
) -> None:
    port = ScriptedReaders(*READERS)
    found = await enrolled(server, world.head, tmp_path, conf.base_url)
    assert found.device is not None
    async with serving(tmp_path, port):
        await asyncio.sleep(2.5)  # readers that have just been seen show no fresh card
        desk = await mapped(
            server, world.head, found.device, port, reader=READERS[1], card=VirtualCard(person(1))
        )
        officer, intent = At(server, world.inspector), ids.new()
        body = {"desk": desk, "purpose": "identify_complainant", "photo": True}
        await officer.request("PUT", f"/v1/intents/{intent}", body)
        await until(officer, intent, step="waiting")
        port.insert(READERS[0], VirtualCard(person(2)))  # the other desk's
        port.insert(READERS[1], VirtualCard(person(3)))
        delivered = await until(officer, intent, state="delivered")
        reading = await officer.request("GET", f"/v1/readings/{delivered['reading']}")
        assert reading["card"]["cid"] == person(3).cid
        assert set(reading["card"]) == {"cid", "name_th"}
        assert UUID(reading["desk"]) == desk
