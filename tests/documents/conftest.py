"""Documents of the tests' own, and the role that may change anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from api import ids
from api.db import Database
from api.documents import contents, service
from api.documents.model import Document
from api.permissions import Worker
from api.settings import Settings
from tests.documents import samples
from tests.evidence.conftest import Work, work

Issue = Callable[..., Awaitable[Document]]
__all__ = ["Issue", "Work", "issue", "superuser", "work"]


@pytest.fixture
def issue(db: Database) -> Issue:
    """`await issue("order", province="21", company=…)`: a document, committed."""

    async def issued(
        kind: str = "order",
        *,
        province: str = "11",
        company: UUID | None = None,
        content: contents.Content | None = None,
        supersedes: UUID | None = None,
        subject: UUID | None = None,
    ) -> Document:
        async with db.begin(Worker("test")) as tx:
            return await service.issue(
                tx,
                kind=kind,
                subject=subject or ids.new(),
                scope_province=province,
                company=company,
                language="th",
                content=content or samples.WHOLE[kind],
                supersedes=supersedes,
            )

    return issued


@pytest_asyncio.fixture
async def superuser(conf: Settings) -> AsyncIterator[asyncpg.Connection]:
    """What the server's own role may not: change anything by SQL."""
    connection = await asyncpg.connect(conf.database_url)
    yield connection
    await connection.close()
