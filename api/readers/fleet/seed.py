"""The ministry as an agency with readers, and a small sample fleet: 270 asked for, 243 distributed.

Everything of the sample says so; a second run changes nothing.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from api import ids
from api.db import Tx
from api.readers.fleet import confirmations, queries, service
from api.readers.fleet.model import (
    ReaderAgency,
    ReaderAllocation,
    ReaderConfirmation,
    ReaderRequestEntry,
)

SAMPLE: Final = ReaderAgency("sample", "หน่วยงานตัวอย่าง", "Sample agency")
DOCUMENT: Final = "ตย 0001/2561"
ASKED, UNITS, EACH = 270, 9, 27
"""Nine units confirm 27 each: 243. The other 27 are to be found."""


async def reference(tx: Tx) -> int:
    """The ministry's own line on the list of agencies. Returns how many were new."""
    ministry = ReaderAgency(service.MINISTRY, "กระทรวงอุตสาหกรรม", "Ministry of Industry")
    return int(await queries.write_agency(tx, ministry))


async def samples(tx: Tx) -> None:
    """The sample agency's letter, its readers, and the confirmations of its units."""
    id = ids.of_text("sample reader request")
    if await queries.request(tx, id) is not None:
        return
    await queries.write_agency(tx, SAMPLE)
    entry = ReaderRequestEntry(
        agency=SAMPLE.code, document=DOCUMENT, asked_on=date(2018, 9, 30), quantity=ASKED
    )
    request = await service.request_readers(tx, id, entry)
    serials = [f"SAMPLE-{n:05d}" for n in range(1, ASKED + 1)]
    granted = ReaderAllocation(allocated=ASKED, serials=serials, model="เครื่องตัวอย่าง")
    await service.allocate(tx, id, request.version, granted)
    for unit in range(UNITS):
        held = serials[unit * EACH : (unit + 1) * EACH]
        name = f"หน่วยตัวอย่างที่ {unit + 1}"
        await confirmations.confirm(
            tx, ReaderConfirmation(agency=SAMPLE.code, unit=name, serials=held)
        )
