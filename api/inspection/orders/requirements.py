"""Can this be signed? What the law wants in an order, asked beforehand and at the signature. Pure.

Factory Act B.E. 2535 s.37 and s.39; Administrative Procedure Act B.E. 2539 s.30 (hearing), s.36–37
(signed, with facts, law, reasons, and the signer's position), s.40 (notice of appeal).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from api.evidence.model import EvidenceRow
from api.inspection.orders.model import (
    MOVES,
    TIMED,
    Breach,
    Hearing,
    OrderContent,
    OrderKind,
    OrderState,
    Row,
)
from api.inspection.orders.subject_queries import FindingOf, Site
from api.inspection.orders.views import Missing
from api.inspection.visits.model import FindingState, VisitState


class Situation(msgspec.Struct, kw_only=True):
    """All that decides whether an order can be signed."""

    kind: OrderKind
    basis: str
    content: OrderContent
    site: Site
    office_code: str
    office_th: str
    office_en: str
    signer_name: str
    signer_position: str
    visit_state: VisitState | None
    findings: Sequence[FindingOf]
    photographs: Sequence[EvidenceRow]
    earlier: Row | None
    corrects: UUID | None
    corrected: Row | None
    rival: str | None
    ordered: set[UUID]
    instrument: str | None
    now: datetime
    today: date


_breach = msgspec.json.Decoder(Breach)
FOLLOWS = {
    OrderKind.stop: (OrderKind.correct,),
    OrderKind.resume: (OrderKind.stop,),
    OrderKind.close: (OrderKind.stop,),
}


def missing(s: Situation) -> list[Missing]:
    """Everything that stands in the way of a signature, in the order of the form."""
    return [*_words(s), *_findings(s), *_hearing(s), *_before(s), *_corrected(s), *_signer(s)]


def _words(s: Situation) -> list[Missing]:
    c, found = s.content, list[Missing]()
    for text, code, th, en in (
        (c.facts, "facts", "ยังไม่มีข้อเท็จจริง", "There are no facts"),
        ("".join(c.law), "law", "ยังไม่มีข้อกฎหมาย", "There is no law"),
        (c.reasons, "reasons", "ยังไม่มีเหตุผล", "There are no reasons"),
        (c.appeal, "appeal", "ยังไม่มีข้อความแจ้งสิทธิอุทธรณ์", "There is no notice of appeal"),
    ):
        if not text.strip():
            found.append(Missing(code, th, en))
    if c.appeal.strip() and not (
        "อุทธรณ์" in c.appeal and any(n in c.appeal for n in ("30", "๓๐", "สามสิบ"))
    ):
        th = "ข้อความแจ้งสิทธิอุทธรณ์ต้องบอกว่าอุทธรณ์ได้ภายใน 30 วัน"
        en = "The notice of appeal must tell of the appeal and its thirty days"
        found.append(Missing("appeal", th, en))
    if s.kind in TIMED and c.days is None:
        found.append(Missing("days", "ยังไม่กำหนดเวลา", "No time is set"))
    if not c.measures.strip() and not c.required:
        found.append(Missing("measures", "ยังไม่ระบุสิ่งที่ต้องทำ", "Nothing is required"))
    if any(not r.required.strip() for r in c.required):
        th = "บางข้อบกพร่องยังไม่ระบุสิ่งที่ต้องทำ"
        found.append(Missing("required", th, "A finding has no measure"))
    return found


def _findings(s: Situation) -> list[Missing]:
    found = list[Missing]()
    if s.kind == OrderKind.correct and s.basis == "breach" and not s.findings:
        th = "คำสั่งตามการฝ่าฝืนต้องมีข้อบกพร่องอย่างน้อยหนึ่งข้อ"
        found.append(Missing("findings", th, "An order for a breach needs a finding"))
    for f in s.findings:
        if f.state == FindingState.needs_confirmation:
            th = f"ข้อ {f.item} ต้องให้เจ้าหน้าที่ยืนยันข้อกฎหมายก่อน"
            en = f"An officer must confirm the legal reference of {f.item} first"
            found.append(Missing("confirmation", th, en))
        elif f.state != FindingState.open:
            th, en = f"ข้อ {f.item} ไม่ได้เปิดอยู่แล้ว", f"{f.item} is no longer open"
            found.append(Missing("finding_state", th, en))
        if f.finding in s.ordered:
            th = f"ข้อ {f.item} อยู่ในคำสั่งอื่นที่มีผลอยู่แล้ว"
            en = f"{f.item} stands in another order in force"
            found.append(Missing("ordered", th, en))
        if f.confidential:
            th = f"ข้อ {f.item} เป็นความลับ ไม่อาจระบุในคำสั่งที่ส่งถึงโรงงาน"
            en = f"{f.item} is confidential and cannot stand in an order"
            found.append(Missing("confidential", th, en))
        if f.basis != "law":
            th = f"ข้อ {f.item} อยู่ในอำนาจของหน่วยงานอื่น"
            found.append(Missing("basis", th, f"{f.item} is another authority's"))
    urgent = s.content.hearing is not None and not isinstance(s.content.hearing, Hearing)
    accepted = s.visit_state in (VisitState.accepted, VisitState.closed)
    states = {f.visit_state for f in s.findings}
    if not urgent and (
        (s.findings and not states <= {VisitState.accepted, VisitState.closed})
        or (not s.findings and s.kind == OrderKind.correct and not accepted)
    ):
        th = "ผลการตรวจยังไม่ได้รับการรับรอง (ยกเว้นกรณีเร่งด่วน)"
        found.append(Missing("visit", th, "The visit is not accepted, and it is not urgent"))
    return found


def _hearing(s: Situation) -> list[Missing]:
    hearing = s.content.hearing
    if s.kind == OrderKind.resume:
        return []  # it favours the operator
    said = hearing is not None and (
        hearing.said if isinstance(hearing, Hearing) else hearing.reason
    )
    if isinstance(hearing, Hearing) and hearing.heard_on > s.today:
        th = "วันรับฟังอยู่ในอนาคต"
        return [Missing("hearing", th, "The day of the hearing lies ahead")]
    if said and said.strip():
        return []
    th = "ยังไม่ได้รับฟังผู้ประกอบกิจการ หรือยังไม่บันทึกเหตุเร่งด่วน"
    en = "The operator was not heard, nor is the urgency recorded"
    return [Missing("hearing", th, en)]


def _before(s: Situation) -> list[Missing]:
    """What must have happened: a stop rests on a judged breach, or on serious danger."""
    wanted = FOLLOWS.get(s.kind)
    if wanted is None:
        return []
    e = s.earlier
    if s.kind == OrderKind.stop and s.basis == "danger":
        return []  # serious danger, even without disobedience
    if e is None:
        return [Missing("follows", "ต้องอ้างคำสั่งเดิม", "The earlier order must be named")]
    if e.kind not in wanted or e.served_at is None or e.stay:
        th = "คำสั่งเดิมไม่ใช่ประเภทที่ต้องมีก่อน ยังไม่ได้แจ้ง หรือถูกทุเลาอยู่"
        en = "The earlier order is of the wrong kind, was not served, or is stayed"
        return [Missing("follows", th, en)]
    if s.rival is not None:
        th = f"มีคำสั่งที่ {s.rival} ต่อจากคำสั่งเดิมอยู่แล้ว"
        en = f"Order {s.rival} goes on from the earlier order already"
        return [Missing("follows", th, en)]
    judged = _breach.decode(e.breach) if e.breach else None
    if s.kind == OrderKind.resume:
        if ("comply", e.state) in MOVES:
            return []
        th, en = "คำสั่งหยุดไม่มีผลอยู่แล้ว", "The order to stop is no longer in force"
        return [Missing("follows", th, en)]
    held = e.state == OrderState.breached or (
        # A correction goes on from the stop as its closure ended it, which was judged disobeyed.
        e.state == OrderState.superseded
        and s.corrects is not None
        and e.superseded_by == s.corrects
    )
    if not held or judged is None:
        th = "คำสั่งเดิมยังไม่ถูกวินิจฉัยว่าฝ่าฝืน"
        return [Missing("breach", th, "The earlier order was not judged breached")]
    if s.kind == OrderKind.stop and not (judged.wilful or judged.serious_danger):
        th = "ไม่ได้วินิจฉัยว่าจงใจฝ่าฝืนหรือเป็นอันตรายร้ายแรง (ม.39)"
        en = "Neither wilful disobedience nor serious danger was found (s.39)"
        return [Missing("s39", th, en)]
    if s.kind == OrderKind.close and e.due_at is not None and s.now < e.due_at:
        th = "ยังไม่พ้นเวลาที่ให้แก้ไขตามคำสั่งหยุด"
        en = "The time to mend that the order to stop gave has not passed"
        return [Missing("time_left", th, en)]
    return []


def _corrected(s: Situation) -> list[Missing]:
    """Only an order of the same kind that is signed and not at its end gives way to another."""
    if s.corrects is None:
        return []
    c = s.corrected
    if c is not None and c.kind == s.kind and ("supersede", c.state) in MOVES:
        return []
    th = "คำสั่งที่จะแก้ไขยังไม่ได้ลงนาม สิ้นสุดแล้ว หรือเป็นคนละประเภท"
    en = "The order to be corrected is not signed, is at its end, or is of another kind"
    return [Missing("corrects", th, en)]


def _signer(s: Situation) -> list[Missing]:
    if s.instrument is None:
        th = "ผู้ลงนามไม่มีคำสั่งแต่งตั้งที่มีผลสำหรับเรื่องนี้"
        return [Missing("authority", th, "The signer holds no authority that covers this")]
    if s.signer_name.strip() and s.signer_position.strip():
        return []
    th = "ผู้ลงนามยังไม่มีชื่อหรือตำแหน่งในทะเบียนเจ้าหน้าที่"
    return [Missing("signer", th, "The signer has no listed name or position")]
