"""Several servers meet one empty data base at the same moment."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import asyncpg

from api.embedded import CHECKOUT
from tests.trials.fixtures import linux
from tests.trials.house import House

pytestmark = linux
COUNTED = [
    "schema_migration",
    "province",
    "district",
    "subdistrict",
    "office",
    "office_province",
    "category",
    "checklist",
    "account",
    "account_role",
    "company",
    "premises",
    "licence",
    "visit",
    "special_day",
]


async def counts(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        return {t: await connection.fetchval(f"select count(*) from {t}") for t in COUNTED}
    finally:
        await connection.close()


async def start_at_once(house: House, servers: int) -> dict[str, int]:
    """`servers` processes migrate and seed a new data base; the counts, equal to those of one."""
    name = f"at_once_{servers}"
    url = await house.postgres.create_database(name)
    try:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "api.cli", "seed"],
                env=house.variables(url),
                cwd=CHECKOUT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(servers)
        ]
        said = await asyncio.gather(*(asyncio.to_thread(p.communicate) for p in processes))
        messages = [err for _, err in said]
        assert [p.returncode for p in processes] == [0] * servers, messages
        found = await counts(url)
        applied = [line for err in messages for line in err.splitlines() if "migrated" in line]
        assert len(applied) == len(set(applied)) == found["schema_migration"]
        alone = await house.postgres.create_database(f"{name}_alone")
        await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "api.cli", "seed"],
            env=house.variables(alone),
            cwd=CHECKOUT,
            check=True,
            capture_output=True,
        )
        assert found == await counts(alone)
        return found
    finally:
        await house.postgres.drop_database(name)
        await house.postgres.drop_database(f"{name}_alone")


async def test_servers_that_start_at_once_never_migrate_or_seed_twice(house: House) -> None:
    found = await start_at_once(house, 3)
    assert found["province"] == 77 and found["checklist"] == 1 and found["visit"] == 3
