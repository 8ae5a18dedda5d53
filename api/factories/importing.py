"""`superapp import-factories`: the import as a person sees it, with a bar and a summary."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from api.factories.feed import FeedNotUnderstood
from api.factories.register import ImportRunning, Outcome, ReferenceDataMissing, import_feed


def run(url: str, file: Path, report: Path) -> Outcome:
    """Imports `file` and tells how it went; raises `click.ClickException` with what to do."""
    try:
        with progress_bar(file.name) as progress:
            outcome = asyncio.run(import_feed(url, file, report, progress=progress))
    except FeedNotUnderstood as fault:
        raise click.ClickException(f"{file} is not the register's feed: {fault}") from fault
    except ReferenceDataMissing as fault:
        raise click.ClickException(f"{fault}. Run first: superapp seed") from fault
    except ImportRunning:
        raise click.ClickException("Another import of the register is running.") from None
    click.echo(_summary(outcome, report))
    return outcome


@contextlib.contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the error output; takes (bytes read, bytes in all)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda read, whole: bar.update(task, completed=read, total=whole)


def _summary(outcome: Outcome, report: Path) -> str:
    same = outcome.rows - outcome.added - outcome.changed
    lines = [
        f"{outcome.read:>9,} rows read{' (an interrupted run went on)' if outcome.resumed else ''}",
        f"{outcome.added:>9,} new",
        f"{outcome.changed:>9,} changed",
        f"{same:>9,} the same",
        f"{outcome.rejected:>9,} refused",
    ]
    if outcome.noted:
        lines.append(f"{outcome.noted:>9,} remarks on rows that were kept")
    if outcome.rejected or outcome.noted:
        lines.append(f"Line by line: {report}")
    return "\n".join(lines)
