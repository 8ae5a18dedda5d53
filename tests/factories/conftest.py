"""Helpers of the register's tests."""

from __future__ import annotations

import csv
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest_asyncio

from api import ids
from api.db import Database
from api.embedded import EmbeddedPostgres
from api.factories.numbers import new_check_digit
from api.factories.register import Outcome, import_feed

COLUMNS = (
    "FACREG,DISPFACREG,FID,FACTYPE,FNAME,ONAME,FADDR,FMOO,FTUMNAME,FAMPNAME,FPROVNAME,HP,"
    "TOTAL_WORKER,LAT,LNG,ESTATE,STATUS"
)
HEADER = COLUMNS.split(",")

_running = itertools.count(70_001)


def fresh_number(province: str = "11") -> str:
    """A valid new number that no other test has."""
    head = f"10{province}{next(_running):05d}2569"
    return head + new_check_digit(head)


async def add_licence(
    db: Database,
    premises: UUID,
    *,
    name: str,
    operator_name: str = "บริษัท ตัวอย่าง จำกัด",
    operator_kind: str = "company",
    status: str = "operating",
) -> str:
    """Gives a site a licence as an import would; returns its number."""
    number = fresh_number()
    async with db.begin() as tx:
        await tx.run(
            """
            insert into licence (id, key, number_new, number_shown, licence_class, category, name,
                operator_name, operator_kind, status, premises_id, created_at)
            values ($1, $2, $2, $2, 3, '00906', $3, $4, $5, $6, $7, $8)
            """,
            ids.new(),
            number,
            name,
            operator_name,
            operator_kind,
            status,
            premises,
            tx.now,
        )
    return number


class Register:
    """A data base of its own, and what is asked of it."""

    def __init__(self, url: str, db: Database, folder: Path) -> None:
        self.url, self.db, self.folder = url, db, folder

    async def load(self, *rows: dict[str, Any], **options: Any) -> Outcome:
        return await import_feed(self.url, self.file(*rows), self.folder / "report.csv", **options)

    def file(self, *rows: dict[str, Any], encoding: str = "utf-8-sig", text: str = "") -> Path:
        path = self.folder / f"{uuid4()}.csv"
        with path.open("w", encoding=encoding, newline="") as out:
            sheet = csv.DictWriter(out, HEADER, lineterminator="\r\n")
            sheet.writeheader()
            sheet.writerows(rows)
            out.write(text)
        return path

    def report(self) -> list[dict[str, str]]:
        with (self.folder / "report.csv").open(encoding="utf-8-sig", newline="") as lines:
            return list(csv.DictReader(lines))

    async def value(self, sql: str, *arguments: Any) -> Any:
        async with self.db.read() as tx:
            return await tx.value(sql, *arguments)

    async def traces(self) -> tuple[Any, ...]:
        """What a write leaves behind."""
        return (
            await self.value("select count(*) from licence_version"),
            await self.value("select max(seq) from change"),
            await self.value("select count(*) from event where name <> 'register.imported'"),
            await self.value("select sum(version) from licence"),
            await self.value("select sum(version) from premises"),
        )


@pytest_asyncio.fixture
async def reg(postgres: EmbeddedPostgres, template: str, tmp_path: Path) -> AsyncIterator[Register]:
    name = f"import_{uuid4().hex[:8]}"
    url = await postgres.create_database(name, template)
    db = await Database.connect(url, size=2, role="")
    yield Register(url, db, tmp_path)
    await db.close()
    await postgres.drop_database(name)
