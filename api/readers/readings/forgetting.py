"""What is forgotten of the counters' traffic, so that its tables do not grow for ever.

Readings stay: who read a card, where, when and for what, is the auditor's. What goes is how a card
was waited for, the leave to read one offline, and what the server answered to a statement, once
nobody can ask for it again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from api.db import Database, Tx
from api.jobs import Job
from api.permissions import Worker
from api.readers.intents import service as intents
from api.readers.model import STATEMENT_KEPT_FOR
from api.readers.readings import tickets

JOB: Final = "readers.forget"
LEASE: Final = timedelta(minutes=30)
AT_ONCE: Final = 5000


async def forget(db: Database, job: Job) -> None:
    """Until nothing is left that is old enough, so many rows in a transaction."""
    more = True
    while more:
        async with db.begin(Worker(job.name)) as tx:
            gone = [
                await intents.forget(tx, AT_ONCE),
                await tickets.forget(tx, AT_ONCE),
                await _statements(tx),
            ]
        more = AT_ONCE in gone


async def _statements(tx: Tx) -> int:
    """What is old enough, by the data base's clock too; returns how many."""
    before = tx.now - STATEMENT_KEPT_FOR
    return int(await tx.value("select forget_statements($1, $2)", before, AT_ONCE))
