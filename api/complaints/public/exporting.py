"""Complaints as CSV: as many as there are, in the memory of a few rows; never who told them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec

from api import clock, events, exports, permissions, settings
from api.complaints.desk.reading import desk_of
from api.complaints.model import STATE_TH, Severity, State, Subject
from api.complaints.problems import ExportsBusy
from api.db import Database, Tx
from api.permissions import Actor, Session

COLUMNS: Final = (
    *("เลขที่เรื่อง (number)", "วันที่รับเรื่อง (received_at)", "ช่องทาง (channel)"),
    *("ประเภท (category_th)", "รหัสประเภท (category)", "ความเร่งด่วน (severity)"),
    *("สถานะ (state_th)", "รหัสสถานะ (state)", "ผลการตรวจสอบ (outcome)"),
    *("จังหวัด (province_th)", "รหัสจังหวัด (province)", "อำเภอ (district_th)"),
    *("ละติจูดโดยประมาณ (lat_about)", "ลองจิจูดโดยประมาณ (lng_about)"),
    *("โรงงาน (factory)", "โรงงานตามที่แจ้ง (factory_named)", "รายละเอียด (description)"),
    *("หน่วยงาน (office_th)", "ส่งต่อไปยัง (forwarded_to)", "คำตอบ (decision)"),
    *("ถึงกำหนด (next_due)", "เสร็จสิ้น (resolved_at)", "ยุติ (closed_at)"),
    *("แก้ไขแล้วตามผู้ร้อง (solved)", "คะแนน (rating)", "เดือดร้อนด้วย (me_toos)"),
    *("เกิดซ้ำ (occurrences)", "เปิดใหม่ (reopened)", "ข้อความเผยแพร่ (released_text)"),
)
# In the order of COLUMNS. Positions are those of the public grid: a spreadsheet goes far.
ROWS: Final = """
with kind as materialized (
    select code, csv_cell(content->>'th') as th from complaint_category
), desk as materialized (
    select id, csv_cell(name_th) as th from office
), stage as materialized (
    select key as code, value as th from jsonb_each_text($9::jsonb)
)
select
    to_char((extract(year from l.received_at)::int + 543) % 100, 'FM00') || '-'
        || to_char(c.number, 'FM0000000'),
    to_char(l.received_at, 'YYYY-MM-DD HH24:MI'), c.channel,
    k.th, c.category, c.severity,
    g.th, c.state, c.outcome,
    p.name_th, c.province, d.name_th,
    round(((floor(c.lat / $10::float8) + 0.5) * $10::float8)::numeric, 4),
    round(((floor(c.lng / $10::float8) + 0.5) * $10::float8)::numeric, 4),
    csv_cell(s.name), csv_cell(c.factory_named), csv_cell(c.description),
    o.th, csv_cell(c.forwarded_to), csv_cell(c.decision),
    to_char(c.next_due at time zone 'Asia/Bangkok', 'YYYY-MM-DD HH24:MI'),
    to_char(c.resolved_at at time zone 'Asia/Bangkok', 'YYYY-MM-DD HH24:MI'),
    to_char(c.closed_at at time zone 'Asia/Bangkok', 'YYYY-MM-DD HH24:MI'),
    c.solved, c.rating, c.me_toos, c.occurrences, c.reopened,
    csv_cell(c.released_text)
from complaint c
cross join lateral (select c.received_at at time zone 'Asia/Bangkok' as received_at) l
left join kind k on k.code = c.category
left join stage g on g.code = c.state
left join province p on p.code = c.province
left join district d on d.code = c.district
left join premises s on s.id = c.premises
left join desk o on o.id = c.office
where ($1::text[] is null or c.province = any ($1) or c.office = $13)
    and ($2::text[] is null or c.state = any ($2))
    and ($3::text is null or c.category = $3)
    and ($4::text is null or c.severity = $4)
    and ($5::text is null or c.province = $5)
    and ($6::uuid is null or c.office = $6)
    and ($7::date is null or c.received_at >= $7::timestamp at time zone 'Asia/Bangkok')
    and ($8::date is null
        or c.received_at < ($8::date + 1)::timestamp at time zone 'Asia/Bangkok')
    and ($11::text is null or c.subject = $11)
    and ($12::timestamptz is null or c.next_due < $12)
    and ($14::uuid is null or c.assigned = $14)
    and (not $15::boolean or c.callback)
"""


class Filters(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Which complaints; dates are days in Bangkok, both included."""

    states: list[State] = []
    category: str | None = None
    severity: Severity | None = None
    province: str | None = None
    office: UUID | None = None
    received_from: date | None = None
    received_to: date | None = None
    subject: Subject | None = None
    overdue: bool = False
    mine: bool = False
    """Assigned to the caller."""
    callback: bool = False
    """Whose tellers wait to be called."""
    everywhere: bool = True
    """Else, where neither office nor province is asked nor `mine`: of the caller's own office."""


class Export(exports.CopyOut):
    """`await begin()`, then `open()`. What becomes of it is an event."""

    def __init__(self, db: Database, actor: Actor, request_id: str, filters: Filters) -> None:
        super().__init__(db, actor, request_id)
        self.filters = filters

    async def begin(self, tx: Tx) -> None:
        """Notes in `tx` who asks for what. Raises `ExportsBusy`, and what the verb raises."""
        self._scope = permissions.scope(tx.actor, "complaint.export")
        if exports.busy():
            raise self.refusal()
        await self._note(tx, "complaint.export_begun", {})

    async def ended(self, tx: Tx, done: dict[str, Any]) -> None:
        await self._note(tx, "complaint.exported", done)

    def refusal(self) -> ExportsBusy:
        return ExportsBusy(retry_after_s=30)

    def columns(self) -> Sequence[str]:
        return COLUMNS

    def statement(self) -> tuple[str, Sequence[Any]]:
        f, scope, office, account = self.filters, self._scope, None, None
        desk: UUID | None = None
        if isinstance(self.actor, Session):
            office, account, desk = self.actor.office, self.actor.account, desk_of(self.actor)
        whole = f.everywhere or f.mine or f.province
        return ROWS, [
            None if scope.provinces is None else list(scope.provinces),
            [state.value for state in f.states] or None,
            f.category,
            f.severity and f.severity.value,
            f.province,
            f.office or (None if whole else desk),
            f.received_from,
            f.received_to,
            msgspec.json.encode(STATE_TH).decode(),
            settings.current().public_grid_deg,
            f.subject and f.subject.value,
            clock.now() if f.overdue else None,
            office,
            account if f.mine else None,
            f.callback,
        ]

    async def _note(self, tx: Tx, event: str, facts: dict[str, Any]) -> None:
        asked = msgspec.to_builtins(self.filters)
        await events.record(
            tx, event, "complaint_export", self.id, facts={"filters": asked} | facts
        )
