"""Desk PCs of the tests."""

from __future__ import annotations

import pytest

from api.db import Database


@pytest.fixture(autouse=True)
async def _unhurried(db: Database) -> None:
    """All tests come from one network and few accounts, which may not try so much in an hour."""
    async with db.begin() as tx:
        await tx.run("delete from rate_limit where bucket like 'bridge-%'")
