"""Applications for the tests: their routes are made once, all that they know for each borrower.

Making the routes takes most of a second; nothing of a borrower is in them (`api.app.configured`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from litestar import Litestar
from litestar.datastructures import State

from api.app import configured, create_app
from api.db import Database
from api.settings import Settings

_free: list[Litestar] = []


@contextmanager
def lent(conf: Settings, db: Database) -> Iterator[Litestar]:
    """An application that nobody else has meanwhile, and that has run to its end on leaving."""
    app = configured(_free.pop(), conf, db) if _free else create_app(conf, db)
    yield app
    app.state = State()
    _free.append(app)
