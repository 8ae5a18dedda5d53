"""Six servers start on one empty data base, as whole installations do."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import httpx
import pytest

from api import children
from api.embedded import CHECKOUT
from tests.trials.fixtures import linux
from tests.trials.house import House
from tests.trials.test_servers_that_start_at_once import counts, start_at_once

pytestmark = [pytest.mark.long, linux]


async def test_six_servers_that_start_at_once_never_migrate_or_seed_twice(house: House) -> None:
    for _ in range(2):
        await start_at_once(house, 6)


async def test_three_installations_that_come_up_at_once_all_serve_one_data_base(
    house: House,
) -> None:
    url = await house.postgres.create_database("installations")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "api.cli", "up", "--port", "0"],
            env=house.variables(url) | {"SUPERAPP_PUBLIC_URL": ""},
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(3)
    ]

    def address(process: subprocess.Popen[str]) -> str:
        assert process.stdout
        return next(line for line in process.stdout if line.startswith("Ready at ")).split()[2]

    try:
        urls = await asyncio.wait_for(
            asyncio.gather(*(asyncio.to_thread(address, p) for p in processes)), 90
        )
        async with httpx.AsyncClient(timeout=20) as http:
            for place in urls:
                assert (await http.get(f"{place}/health/ready")).json()["status"] == "ok"
        found = await counts(url)
        assert found["checklist"] == 1 and found["visit"] == 3
    finally:
        for process in processes:
            children.stop(process, 15)  # type: ignore[arg-type]
            assert process.stdout
            process.stdout.close()
        await house.postgres.drop_database("installations")
