"""Contents of every kind, whole and as bare as their types allow, about plainly sample things."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import codes
from api.documents import contents as c
from api.documents import seals
from api.documents.model import Envelope

HARD = "ที่ปั๊มน้ำ กฎหมาย ญี่ปุ่น ฐานรากที่แข็งแรง ผู้ประกอบกิจการ น้ำ สำนักงาน"
MARKUP = "#let x = 1 $a$ *b* _c_ @d // e `f` <g> \\ [h] ~"
OFFICE = c.Office(th="สำนักงานอุตสาหกรรมจังหวัดตัวอย่าง", en="Sample Provincial Industry Office")
PHOTOS = [UUID(int=n) for n in range(1, 7)]
FACTORY = c.Factory(
    name="โรงงานตัวอย่าง",
    number="3-9(6)-100/51ปจ",
    class_=3,
    category="00906 การทำแป้งจากพืช",
    operator="บริษัท ตัวอย่าง จำกัด",
    address="99/9 หมู่ 9",
)
LAWS = [
    c.Law(reference="กฎกระทรวง ฉบับที่ 2 (พ.ศ. 2535) ข้อ 14", text=HARD),
    c.Law(reference="ประกาศกระทรวงอุตสาหกรรม", confirmed=False),
]


def photos() -> list[c.Photo]:
    return [
        c.Photo(evidence=id, sha256="ab" * 32, caption=HARD, taken_at="2026-11-22T10:15:00+07:00")
        for id in PHOTOS
    ]


def visit_record(entries: int = 8, sections: str = "ABC") -> c.VisitRecord:
    return c.VisitRecord(
        number="ตร. 1/2569",
        form="ตร. 1",
        date="2026-11-22",
        office=OFFICE,
        copy="office",
        factory=FACTORY,
        visit="1",
        checklist=1,
        started_at="2026-11-22T09:30:00+07:00",
        ended_at="2026-11-22T11:45:00+07:00",
        outcome="ตรวจครบถ้วน",
        position="13.60000, 100.60000",
        officers=[c.Person(name="นายตัวอย่าง ผู้ตรวจ", position="นักวิทยาศาสตร์", role="หัวหน้าคณะตรวจ")],
        representative="นางสาวตัวอย่าง ผู้แทน (ลงลายมือชื่อแล้ว)",
        sections=[
            c.Section(
                code=code,
                title=HARD,
                entries=[
                    c.Entry(
                        item=f"{code}{n:02}",
                        text=f"{HARD} {HARD}",
                        answer="4.1",
                        outcome="ไม่ผ่าน" if n == 3 else "ผ่าน",
                        failed=n == 3,
                        note=MARKUP if n == 3 else "",
                    )
                    for n in range(1, entries)
                ],
            )
            for code in sections
        ],
        findings=[
            c.FindingPart(
                item="E08", text=HARD, severity="ร้ายแรง", state="ยังไม่ได้แก้ไข", laws=LAWS, noted="4.1"
            )
        ],
        remarks=[MARKUP],
        samples=[custody(), c.SamplePart(number="W-2", items=[])],
        photographs=photos(),
        signatures=[c.Signature(role="ผู้แทนโรงงาน", image=PHOTOS[0]), c.Signature(role="พยาน")],
        accepted=c.Person(name="นางตัวอย่าง หัวหน้า", position="อุตสาหกรรมจังหวัด"),
        accepted_at="2026-11-23T09:00:00+07:00",
    )


def custody() -> c.SamplePart:
    at = "2026-11-22T10:30:00+07:00"
    link = c.CustodyLink(at=at, known_at=at, giver="สำนักงาน (นายตัวอย่าง)", receiver="ห้องปฏิบัติการ")
    return c.SamplePart(
        number="W-1",
        items=["H04", "H05"],
        what="น้ำทิ้ง 2 ลิตร",
        place="บ่อพักสุดท้าย",
        taken_at=at,
        by="นายตัวอย่าง ผู้ตรวจ",
        seal="S-0001",
        links=[link, link],
        results=["H05 · ห้องปฏิบัติการตัวอย่าง · W-1/2569"],
        breaks=["ตราผนึกไม่อยู่ในสภาพเดิม (ครั้งที่ 2)", HARD],
        photographs=photos()[:2],
    )


def order() -> c.Order:
    return c.Order(
        number="อก 1/2569",
        date="2026-11-23",
        office=OFFICE,
        section="37",
        subject=HARD,
        factory=FACTORY,
        addressee=c.Person(name="กรรมการผู้จัดการ บริษัท ตัวอย่าง จำกัด", position="ผู้รับใบอนุญาต"),
        addressee_address="99/9 หมู่ 9",
        form="ค. 1",
        facts=[f"{HARD} {MARKUP}", HARD],
        laws=LAWS,
        reasons=[HARD],
        requirements=[
            c.Requirement(what=HARD, by="2026-12-23", laws=LAWS[:1]),
            c.Requirement(what="หยุดระบายน้ำทิ้ง"),
        ],
        heard="ชี้แจงเป็นหนังสือแล้ว",
        penalties=["มาตรา 57"],
        appeal="อุทธรณ์ต่อรัฐมนตรีภายใน 30 วันนับแต่วันที่ทราบคำสั่ง",
        approval=c.Approval(name="นายตัวอย่าง", position="ผู้รับมอบอำนาจ", instrument="คำสั่งที่ 1"),
        seals=[c.SealLine(number="1", machine="หม้อไอน้ำ", photo=PHOTOS[1]), _bare_seal()],
        photographs=photos()[:2],
        signer=c.Signature(role="พนักงานเจ้าหน้าที่", name="นางตัวอย่าง หัวหน้า", how="อิเล็กทรอนิกส์"),
        supersedes="อก 0/2569",
    )


def _bare_seal() -> c.SealLine:
    return c.SealLine(number="2", machine="เครื่องบด")


def case_file() -> c.CaseFile:
    at = "2026-11-22T09:30:00+07:00"
    return c.CaseFile(
        number="1/2569",
        date="2026-11-23",
        office=OFFICE,
        subject=HARD,
        factory=FACTORY,
        officers=[c.Person(name="นายตัวอย่าง ผู้ตรวจ", since="2026-11-20"), c.Person(name="–")],
        events=[c.CaseEvent(at=at, what=HARD, who="นายตัวอย่าง", name="visit.recorded")] * 3,
        clocks=[
            c.CaseClock(what="พิจารณา", set_at=at, due_at="2026-12-02T00:00:00+07:00"),
            c.CaseClock(what="พิจารณา", set_at=at, due_at="2026-12-02T12:00:00+07:00"),
        ],
        messages=[c.CaseMessage(at=at, to="ผู้ประกอบกิจการ", text="มีคำสั่งใหม่")],
        documents=[
            c.CaseDocument(kind="คำสั่ง", number="1", date="2026-11-23", code="0", sha256="a" * 64)
        ],
        evidence=[c.CaseEvidence(what="ภาพถ่าย", sha256="cd" * 32, received_at=at)],
        complaints=[
            c.CaseComplaint(
                number="69-0000123-K",
                received_at="2026-11-20T22:15:00+07:00",
                category="กลิ่นเหม็นรบกวน",
                what="กลิ่นทินเนอร์ทุกคืน (ตัวอย่าง)",
                state="ดำเนินการเสร็จสิ้น",
                outcome="เป็นจริงตามร้อง",
                decision="โรงงานแก้ไขระบบดูดอากาศแล้ว",
            )
        ],
        samples=[custody()],
        signatures=[c.Signature(role="ผู้รับคำสั่งที่ 1/2569", image=PHOTOS[1], sha256="ef" * 32)],
        photographs=photos()[:1],
    )


WHOLE: dict[str, c.Content] = {
    "visit_record": visit_record(),
    "order": order(),
    "case_file": case_file(),
}
BARE: dict[str, c.Content] = {
    "visit_record": c.VisitRecord(
        date="2026-11-22",
        office=OFFICE,
        copy="factory",
        factory=c.Factory(name="โรงงานตัวอย่าง"),
        visit="1",
        checklist=1,
    ),
    "order": c.Order(
        number="1",
        date="2026-11-23",
        office=OFFICE,
        section="39",
        subject="x",
        factory=c.Factory(name="โรงงานตัวอย่าง"),
        addressee=c.Person(name="x"),
        facts=[],
        laws=[],
        reasons=[],
        requirements=[],
        appeal="x",
        signer=c.Signature(role="x"),
    ),
    "case_file": c.CaseFile(
        date="2026-11-22",
        office=OFFICE,
        subject="x",
        factory=c.Factory(name="โรงงานตัวอย่าง"),
    ),
}


def canonical(kind: str, content: c.Content | Any, language: c.Language = "th") -> bytes:
    """A document of always the same code and time."""
    values = [codes.ALPHABET.index(x) for x in "0123456789ABCDE"]
    code = "0123456789ABCDE" + codes.ALPHABET[codes._check(values)]
    return seals.canonical(
        Envelope(
            id=UUID(int=99),
            code=code,
            kind=kind,
            subject=UUID(int=5),
            province="11",
            company=None,
            language=language,
            issued_at="2026-11-22T12:00:00+07:00",
            supersedes=None,
            verify_at=f"https://superapp.example.invalid/verify/{codes.shown(code)}",
            content=msgspec.to_builtins(content),
        )
    )


KEY = Ed25519PrivateKey.from_private_bytes(b"sample key of tests, 32 bytes ok")
KID = "document-20261122-00000000"


def key_of(kid: str) -> Any:
    return KEY.public_key() if kid == KID else None
