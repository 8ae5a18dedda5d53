"""Helpers of the register's tests."""

from __future__ import annotations

import itertools
from uuid import UUID

from api import ids
from api.db import Database
from api.factories.numbers import new_check_digit

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
