"""Long trials of the import: a register of real size, in flat memory, killed again and again."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from api.factories.register import import_feed
from bench.feed import write
from tests.factories.conftest import Register

pytestmark = pytest.mark.long

MEASURED = """
import asyncio, json, resource, sys
from pathlib import Path
from api import events, reactions
from api.factories.register import import_feed
events.react(reactions.REACTIONS)
outcome = asyncio.run(import_feed(sys.argv[1], Path(sys.argv[2])))
peaks = [resource.getrusage(who).ru_maxrss for who in
         (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({"added": outcome.added, "peaks": peaks}))
"""


def measured(url: str, path: Path) -> tuple[int, list[int]]:
    """(rows added, peak memory in kB of the importing process and of its largest reader)."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, url, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = msgspec.json.decode(run.stdout)
    return found["added"], found["peaks"]


async def test_a_quarter_of_a_million_rows_take_no_more_memory_than_half_of_them(
    reg: Register, tmp_path: Path
) -> None:
    few, many = tmp_path / "few.csv", tmp_path / "many.csv"
    write(few, 125_000, seed=2)  # enough that as many chunks as may be are on their way
    write(many, 250_000)
    _, small = measured(reg.url, few)
    added, large = measured(reg.url, many)
    assert added > 100_000  # the two feeds share numbers
    # The numbers seen are remembered, about 60 bytes each; nothing else grows.
    assert large[0] - small[0] < 40_000, (small, large)
    assert large[1] - small[1] < 15_000, (small, large)


async def test_an_import_killed_ten_times_ends_with_every_row_once(
    reg: Register, tmp_path: Path
) -> None:
    path = tmp_path / "feed.csv"
    write(path, 40_000)
    dice = random.Random(7)
    kills = 0
    for _ in range(10):
        process = subprocess.Popen(
            [sys.executable, "-c", MEASURED, reg.url, str(path)], stdout=subprocess.DEVNULL
        )
        time.sleep(dice.uniform(0.8, 3.0))
        kills += process.poll() is None
        process.kill()
        process.wait()
    outcome = await import_feed(reg.url, path)
    assert outcome.read == 40_000
    assert kills
    held = await reg.value("select count(*) from licence where feed_hash is not null")
    sites = await reg.value(
        "select count(*) from licence l join premises p on p.id = l.premises_id"
        " where l.feed_hash is not null"
    )
    assert (held, sites) == (40_000, 40_000)
    assert await reg.value("select count(*) from licence_version") == 0
    told = await reg.value("select count(*) from change where kind = 'factory'")
    live = await reg.value("select count(*) from premises where live")
    assert told >= live - 60
