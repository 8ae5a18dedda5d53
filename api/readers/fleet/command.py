"""`superapp import-readers`: the import as a person sees it, with a bar and a summary."""

from __future__ import annotations

from pathlib import Path

import click

from api.db import Database
from api.factories.importing import progress_bar
from api.problems import Problem
from api.readers.fleet.importing import ReaderImport, import_file
from api.readers.fleet.rows import Kind, NotAList


async def run(
    db: Database, file: Path, kind: Kind, agency: str | None, report: Path, preview: bool
) -> ReaderImport:
    """Imports or previews `file`; raises `click.ClickException` with what to do."""
    try:
        with progress_bar(file.name) as progress:
            outcome = await import_file(
                db, file, kind, agency, report=report, preview=preview, progress=progress
            )
    except NotAList as fault:
        th, en = fault.args
        raise click.ClickException(f"{file}: {th} / {en}") from fault
    except Problem as problem:
        raise click.ClickException(f"{problem.sentence('th')} / {problem.sentence('en')}") from None
    if outcome.added + outcome.changed > 1_000 and not preview:
        async with db.pool.acquire() as connection:
            await connection.execute("analyze reader_asset, reader_confirmation, reader_request")
    click.echo(_summary(outcome, report))
    return outcome


def _summary(outcome: ReaderImport, report: Path) -> str:
    lines = [
        f"{outcome.read:>9,} บรรทัด / lines read",
        f"{outcome.added:>9,} ใหม่ / new",
        f"{outcome.changed:>9,} เปลี่ยน / changed",
        f"{outcome.same:>9,} เหมือนเดิม / the same",
        f"{outcome.rejected:>9,} รับไม่ได้ / refused",
    ]
    if outcome.noted:
        lines.append(f"{outcome.noted:>9,} รับไว้โดยมีข้อสังเกต / kept with a remark")
    if outcome.rejected or outcome.noted:
        lines.append(f"ทีละบรรทัด / line by line: {report}")
    if outcome.preview:
        lines.append("ตรวจดูเท่านั้น ยังไม่ได้บันทึก / a preview: nothing was written")
    if outcome.replayed:
        lines.append("แฟ้มนี้นำเข้าแล้ว ไม่มีอะไรเปลี่ยน / this file was imported before")
    return "\n".join(lines)
