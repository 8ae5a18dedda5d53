"""Cards that were read offline have arrived: their officer, who may be anywhere by now, is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from api import jobs
from api.clock import bangkok_date, buddhist_year
from api.db import Tx
from api.jobs import Job
from api.notify import service as notify
from api.readers.model import PASSED_ON_LATE_FOR

JOB: Final = "tell.readings_arrived"
TEMPLATE: Final = "readings.arrived"
TOGETHER: Final = timedelta(seconds=20)
"""What a PC sends within so long after the first of it is one message."""


class _Waiting(msgspec.Struct):
    count: int
    last: UUID | None
    until: datetime | None


async def arrived(tx: Tx, account: UUID) -> None:
    """A reading by a ticket of `account` was taken."""
    await jobs.enqueue(tx, JOB, {"account": account}, key=str(account), after=TOGETHER)


async def tell(tx: Tx, job: Job) -> None:
    """One message of all that waits to be used; none where nothing does."""
    account = UUID(job.args["account"])
    waiting = await tx.one(
        _Waiting,
        """
        select count(*), (array_agg(id order by received_at desc, id desc))[1], min(passing_until)
        from reading
        where account = $1 and session is null and label = 'offline' and used_at is null
            and passing_until > $2 and received_at > $3
        """,
        account,
        tx.now,
        tx.now - PASSED_ON_LATE_FOR,
    )
    if waiting.last is None or waiting.until is None:
        return
    day = bangkok_date(waiting.until)
    await notify.send(
        tx,
        account=account,
        template=TEMPLATE,
        facts={"count": waiting.count, "until": f"{day:%d/%m}/{buddhist_year(day)}"},
        about=("reading", waiting.last),
        key=f"{TEMPLATE}:{waiting.last}",
    )
