"""`python -m bench [--only PART]`: measures, prints the table, keeps it in `bench/latest.json`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import click
import uvloop

from bench import (
    bridges,
    complaints,
    deadlines,
    exports,
    factories,
    jobs,
    pull,
    push,
    readings,
    report,
    table,
    triage,
    uploads,
)
from bench.frame import Frame

Part = Callable[[Frame], Awaitable[list[table.Row]]]
PARTS: dict[str, Part] = {
    "push": push.measure,
    "pull": pull.measure,
    "factories": factories.measure,
    "import": factories.measure_import,
    "jobs": jobs.measure,
    "deadlines": deadlines.measure,
    "upload": uploads.measure,
    "report": report.measure,
    "complaint": complaints.measure,
    "triage": triage.measure,
    "nearby": triage.measure_near,
    "export": exports.measure,
    "reading": readings.measure,
    "bridge": bridges.measure,
}


@click.command()
@click.option("--only", type=click.Choice(list(PARTS)), help="What stands before the dot.")
def main(only: str | None) -> None:
    """Measures on a server and a PostgreSQL of its own; fails where an answer is wrong."""
    table.show(uvloop.run(measure([only] if only else list(PARTS))))


async def measure(parts: list[str]) -> list[table.Row]:
    rows = []
    async with Frame.open() as bench:
        for part in parts:
            begun = time.monotonic()
            click.echo(f"{part} …", err=True)
            found = await PARTS[part](bench)
            table.keep(found, part)
            rows += found
            click.echo(f"{part}: {time.monotonic() - begun:.0f} s", err=True)
    return rows


if __name__ == "__main__":
    main()
