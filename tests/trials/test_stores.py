"""The storage fills up or goes away: it is said, and nothing is acknowledged that is not held."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from pathlib import Path

import httpx
from moto.server import ThreadedMotoServer

from tests.long.test_full_disk import fill, small
from tests.trials.fixtures import linux
from tests.trials.house import House
from tests.trials.uploads import Uploader, uploaders, worker

pytestmark = linux


async def put(file: Uploader, url: str, offset: int) -> httpx.Response:
    headers = file.headers | {
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(offset),
    }
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        return await http.patch(file.path, headers=headers, content=file.data[offset:])


async def test_a_full_disk_is_told_and_the_upload_goes_on_when_there_is_room(
    house: House,
) -> None:
    with small(24) as place:
        server = house.server(SUPERAPP_STORAGE_URL=f"file://{place}/objects")
        await server.ready()
        files = await uploaders(house, 3, range(2_000_000, 3_000_000), "full")
        for file in files:
            await file.create(server)
        assert (await put(files[0], server.url, 0)).status_code == 204
        ballast = fill(place)
        for file in files[1:]:
            refused = await put(file, server.url, 0)
            assert (refused.status_code, refused.json()["code"]) == (507, "ground/storage-full")
            assert await file.offset(server) == 0
        ballast.unlink()
        for file in files[1:]:
            assert (await put(file, server.url, 0)).status_code == 204
        async with worker(house, SUPERAPP_STORAGE_URL=f"file://{place}/objects"):
            for file in files:
                await file.kept(server)
        left = [p for p in Path(place).rglob(".*") if p.is_file()]
        assert not left, left
        assert not server.faults()
        server.stop()
        house.servers.remove(server)


async def test_a_store_that_is_away_is_told_and_the_upload_goes_on_when_it_is_back(
    house: House,
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    store = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    store.start()
    bucket = urllib.request.Request(f"http://127.0.0.1:{port}/evidence", method="PUT")
    urllib.request.urlopen(bucket).close()
    variables = {
        "SUPERAPP_STORAGE_URL": "s3://evidence/one",
        "SUPERAPP_STORAGE_ENDPOINT": f"http://127.0.0.1:{port}",
        "SUPERAPP_STORAGE_REGION": "us-east-1",
        "SUPERAPP_STORAGE_ACCESS_KEY": "sample",
        "SUPERAPP_STORAGE_SECRET_KEY": "sample",
        "SUPERAPP_STORAGE_TIMEOUT_S": "2",
    }
    server = house.server(**variables)
    await server.ready()
    try:
        files = await uploaders(house, 3, range(6_000_000, 7_000_000), "away")
        for file in files:
            await file.create(server)
        await file.patch(server, 0, 3_000_000)  # cut: two parts in a bucket
        assert (await put(files[0], server.url, 0)).status_code == 204
        store.stop()
        refused = await put(files[1], server.url, 0)
        assert refused.status_code == 503
        assert refused.json()["code"] == "ground/storage-unreachable"
        assert await files[1].offset(server) == 0
        store.start()
        assert (await put(files[1], server.url, 0)).status_code == 204
        held = await files[2].offset(server)
        assert (await put(files[2], server.url, held)).status_code == 204
        async with worker(house, **variables):
            for file in files:
                await file.kept(server)
        store.stop()
        gone = await files[0].ask_once(server, f"/v1/evidence/{files[0].id}/content")
        assert gone == (503, "ground/storage-unreachable")
        assert not server.faults()
    finally:
        await asyncio.to_thread(server.stop)
        house.servers.remove(server)
