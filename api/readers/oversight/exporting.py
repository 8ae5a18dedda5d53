"""The readings that a list shows, as CSV: streamed, and never what was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from api import events, exports
from api.db import Database, Tx
from api.permissions import Actor
from api.readers.model import POLICIES
from api.readers.oversight import service
from api.readers.oversight.problems import ReadingExportsBusy
from api.readers.oversight.queries import Wanted

COLUMNS: Final = (
    *("รหัสการอ่าน (id)", "วันที่รับ (received_at)", "วันที่อ่าน (read_at)"),
    *("วัตถุประสงค์ (purpose_th)", "รหัสวัตถุประสงค์ (purpose)", "ที่มา (label)"),
    *("ระดับหลักฐาน (levels)", "ข้อสังเกต (flags)", "เรื่อง (about)"),
    *("เจ้าหน้าที่ (officer)", "บัญชี (account)", "หน่วยงาน (office_th)", "รหัสหน่วยงาน (office)"),
    *("โต๊ะ (desk_name)", "รหัสโต๊ะ (desk)", "เครื่อง (bridge)"),
    *("ใช้กับ (used_for)", "รหัสที่ใช้ (used_by)", "วันที่ใช้ (used_at)"),
)
# In the order of COLUMNS; times are Bangkok's.
ROWS: Final = """
with called as materialized (
    select key as code, value as th from jsonb_each_text($9::jsonb)
)
select r.id, to_char(r.received_at at time zone 'Asia/Bangkok', 'YYYY-MM-DD HH24:MI:SS'),
    to_char(r.read_at at time zone 'Asia/Bangkok', 'YYYY-MM-DD HH24:MI:SS'),
    p.th, r.purpose, r.label,
    array_to_string(r.levels, ' '), csv_cell(array_to_string(r.flags, ' ')), r.about,
    csv_cell(f.name), r.account, csv_cell(o.name_th), o.code,
    csv_cell(d.name), r.desk, r.bridge,
    r.used_for, r.used_by,
    to_char(r.used_at at time zone 'Asia/Bangkok', 'YYYY-MM-DD HH24:MI:SS')
from reading r
join office o on o.id = r.office
left join called p on p.code = r.purpose
left join officer f on f.account = r.account
left join desk d on d.id = r.desk
where r.received_at >= $1 and r.received_at < $2
    and ($3::uuid is null or r.office = $3)
    and ($4::uuid is null or r.account = $4)
    and ($5::text is null or r.purpose = $5)
    and ($6::uuid is null or r.desk = $6)
    and ($7::text is null or r.label = $7)
    and ($8::boolean is null or (r.used_at is not null) = $8)
"""


class Export(exports.CopyOut):
    """`await begin()`, then `open()`. What becomes of it is an event."""

    def __init__(self, db: Database, actor: Actor, request_id: str, wanted: Wanted) -> None:
        super().__init__(db, actor, request_id)
        self.wanted: Wanted | None = wanted
        self.told = service.told(wanted)

    async def begin(self, tx: Tx) -> None:
        """Notes in `tx` who asks for what. Raises `ReadingExportsBusy`."""
        assert self.wanted is not None
        self.wanted = service.within(tx, self.wanted)
        if exports.busy():
            raise self.refusal()
        await self._note(tx, "reading.export_begun", {})

    async def ended(self, tx: Tx, done: dict[str, Any]) -> None:
        await self._note(tx, "reading.exported", done)

    def refusal(self) -> ReadingExportsBusy:
        return ReadingExportsBusy(retry_after_s=30)

    def columns(self) -> Sequence[str]:
        return COLUMNS

    def statement(self) -> tuple[str, Sequence[Any]]:
        w = self.wanted
        called = msgspec.json.encode({p.value: policy.th for p, policy in POLICIES.items()})
        if w is None:  # of an office out of reach: a heading
            return ROWS + " and false", [None] * 8 + [called.decode()]
        filters = (w.since, w.until, w.office, w.account, w.purpose, w.desk, w.label, w.used)
        return ROWS, [*filters, called.decode()]

    async def _note(self, tx: Tx, event: str, facts: dict[str, Any]) -> None:
        facts = {"filters": self.told} | facts
        await events.record(tx, event, "reading_export", self.id, facts=facts)
