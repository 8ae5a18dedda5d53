"""No room left: for a table alone, and for everything of PostgreSQL. Needs root, to mount."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from api import embedded, keys
from api.embedded import EmbeddedPostgresError
from tests.trials import ledger, scenes
from tests.trials.fixtures import linux
from tests.trials.house import House
from tests.trials.phones import Phone, more, total, working

pytestmark = [pytest.mark.long, linux]


@contextlib.contextmanager
def small(megabytes: int) -> Iterator[Path]:
    """A file system of its own of that size, which `nobody` may enter."""
    if not embedded.is_root():
        pytest.skip("only root can mount a small file system")
    place = Path(tempfile.mkdtemp(prefix="superapp-small-", dir="/tmp"))
    place.chmod(0o755)
    options = f"size={megabytes}m,mode=0755"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True
    )
    if done.returncode:
        place.rmdir()
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


def fill(place: Path) -> Path:
    """Takes all the room there is; remove the file to give it back."""
    ballast = place / "ballast"
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
            file.flush()
    return ballast


async def stuck(phones: list[Phone], refusals: int, within_s: float = 60) -> int:
    """Waits until that many pushes were refused; returns how many are acknowledged then."""
    before = sum(p.refusals for p in phones)
    for _ in range(int(within_s / 0.05)):
        if sum(p.refusals for p in phones) - before >= refusals:
            return total(phones)
        await asyncio.sleep(0.05)
    raise AssertionError("the disk is full and pushes are still acknowledged")


async def ended(house: House, phones: list[Phone]) -> None:
    """With room again: everything is taken, and the books balance."""
    for phone in phones:
        await phone.drain()
    async with house.owner() as connection:
        counted = await ledger.check(connection, phones)
    unexpected = [u for p in phones for u in p.unexpected]
    assert not unexpected, unexpected[:3]
    faults = [f for s in house.servers for f in s.faults()]
    assert not faults, faults[:2]
    counted["503"] = sum(p.refusals for p in phones)
    print(counted)
    for phone in phones:
        await phone.close()


async def test_nothing_is_acknowledged_that_a_full_table_space_could_not_take(
    keyring: keys.Keyring,
) -> None:
    with small(4) as place, House(Path(os.environ["SUPERAPP_KEYRING"])) as house:
        folder = place / "space"
        folder.mkdir(mode=0o700)
        shutil.chown(folder, "nobody", "nogroup")
        async with house.owner() as connection:
            await connection.execute(f"create tablespace small location '{folder}'")
            for name in ("operation", "entry", "event"):
                await connection.execute(f"alter table {name} set tablespace small")
        server = house.server()
        await server.ready()
        visits = await scenes.visits(house, server.url, 3)
        phones = await scenes.phones(house, [server.url], 3, visits, "space")
        async with working(phones):
            await more(phones, 10)
            ballast = fill(place)
            await stuck(phones, 20)
            ballast.unlink()
            await more(phones, 10)
        await ended(house, phones)


async def test_nothing_acknowledged_is_lost_when_the_disk_fills_up_and_postgresql_ends(
    keyring: keys.Keyring,
) -> None:
    """PostgreSQL cannot go on without room for its log: it ends, and starts when there is room."""
    with (
        small(1000) as place,
        House(Path(os.environ["SUPERAPP_KEYRING"]), throwaway=False, home=place / "data") as house,
    ):
        server = house.server()
        await server.ready()
        visits = await scenes.visits(house, server.url, 3)
        phones = await scenes.phones(house, [server.url], 3, visits, "disk")
        async with working(phones):
            await more(phones, 10)
            ballast = fill(place)
            with contextlib.suppress(asyncpg.PostgresError, OSError):
                async with house.owner() as connection:  # a segment of the log and more
                    for _ in range(40):
                        await connection.fetchval(
                            "select pg_logical_emit_message(true, 'trial', repeat('x', 1000000))"
                        )
            await stuck(phones, 20)
            before = total(phones)
            for _ in range(2):
                if not house.postgres.alive():
                    with pytest.raises(EmbeddedPostgresError, match="No space left"):
                        house.postgres.start()
            await asyncio.sleep(0.5)
            assert total(phones) == before
            ballast.unlink()
            if not house.postgres.alive():
                house.postgres.start()
            await more(phones, 10)
        await ended(house, phones)
