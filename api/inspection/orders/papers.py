"""The words of an order: what is signed, and what becomes its document."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from api import settings
from api.clock import bangkok_date
from api.db import Tx
from api.documents import contents
from api.documents import queries as document_queries
from api.documents import service as documents
from api.documents.model import Document
from api.inspection.orders.model import Hearing, OrderKind, Row
from api.inspection.orders.requirements import Situation

_ANEW = ("ลงนามโดยยืนยันตัวตนใหม่", "signed by a fresh authentication")
_ON_PAPER = ("ลงนามบนกระดาษ", "signed on paper")
TITLE_TH = {
    OrderKind.correct: "คำสั่งให้ระงับการกระทำที่ฝ่าฝืน แก้ไข ปรับปรุง หรือปฏิบัติให้ถูกต้อง (มาตรา 37)",
    OrderKind.stop: "คำสั่งให้หยุดประกอบกิจการโรงงาน (มาตรา 39)",
    OrderKind.resume: "คำสั่งให้ประกอบกิจการโรงงานต่อไป (มาตรา 39)",
    OrderKind.close: "คำสั่งปิดโรงงาน (มาตรา 39)",
}
TITLE_EN = {
    OrderKind.correct: "Order to stop the breach, mend, or do it right (s.37)",
    OrderKind.stop: "Order to stop operating (s.39)",
    OrderKind.resume: "Order to resume operating (s.39)",
    OrderKind.close: "Order to close the factory (s.39)",
}


def words(row: Row, s: Situation) -> str:
    """What the signer is shown and signs, as JSON with sorted keys.

    Without number and date, which are given after the signature.
    """
    c, site = s.content, s.site
    items = {f.finding: f for f in s.findings}
    hearing: dict[str, Any] | None = None
    if isinstance(c.hearing, Hearing):
        hearing = {"heard_on": c.hearing.heard_on, "said": c.hearing.said}
    elif c.hearing is not None:
        hearing = {"urgent": c.hearing.reason}
    content = {
        "order": row.id,
        "kind": row.kind,
        "basis": row.basis,
        "title_th": TITLE_TH[row.kind],
        "title_en": TITLE_EN[row.kind],
        "office": {"code": s.office_code, "th": s.office_th, "en": s.office_en},
        "addressee": site.operator_name,
        "company": site.company,
        "factory": {"name": site.name, "number": site.number_shown, "address": site.address},
        "class": site.class_,
        "facts": c.facts,
        "law": c.law,
        "reasons": c.reasons,
        "required": [
            {
                "item": items[r.finding].item,
                "law": items[r.finding].legal_ref,
                "required": r.required,
            }
            for r in c.required
            if r.finding in items
        ],
        "photographs": [
            {
                "evidence": photo.id,
                "sha256": photo.sha256.hex(),
                "item": photo.item,
                "taken_at": contents.moment(photo.taken_at),
            }
            for photo in s.photographs
        ],
        "measures": c.measures,
        "part": c.part,
        "days": c.days,
        "hearing": hearing,
        "appeal": c.appeal,
        "follows": None if s.earlier is None else s.earlier.number,
        "corrects": None if s.corrected is None else s.corrected.number,
        "signer": {
            "name": s.signer_name,
            "position": s.signer_position,
            "authority": s.instrument,
        },
    }
    return msgspec.json.encode(content, order="sorted").decode()


async def issue(
    tx: Tx, row: Row, wet_ink: UUID | None, language: contents.Language = "th"
) -> Document:
    """The signed words, with number, date and signature, as a document that anyone can verify.

    In English the form is English; the words are those that were signed.
    """
    english = language == "en"
    said = msgspec.json.decode(row.signed_content or "{}")
    assert row.signed_at is not None and row.number is not None
    shown = settings.current().order_photographs
    how = (_ANEW if wet_ink is None else _ON_PAPER)[english]
    hearing = said["hearing"] or {}
    heard = hearing.get("said") or hearing.get("urgent") or ""
    content = contents.Order(
        number=row.number,
        date=contents.day(bangkok_date(row.signed_at)),
        office=contents.Office(th=said["office"]["th"], en=said["office"]["en"]),
        section="37" if row.kind == OrderKind.correct else "39",
        subject=said["title_en" if english else "title_th"],
        factory=contents.Factory(
            name=said["factory"]["name"],
            number=said["factory"]["number"] or "",
            class_=said["class"],
            operator=said["addressee"],
            address=said["factory"]["address"],
        ),
        addressee=contents.Person(name=said["addressee"]),
        facts=_paragraphs(said["facts"]),
        laws=[contents.Law(reference=law) for law in said["law"]],
        reasons=_paragraphs(said["reasons"]),
        requirements=[
            contents.Requirement(
                what=f"{r['item']}: {r['required']}",
                within=_within(said["days"], english),
                laws=[contents.Law(reference=r["law"])],
            )
            for r in said["required"]
        ]
        + [
            contents.Requirement(what=what, within=_within(said["days"], english))
            for what in (said["measures"], said["part"])
            if what.strip()
        ],
        heard=heard,
        appeal=said["appeal"],
        photographs=[
            contents.Photo(
                evidence=photo["evidence"],
                sha256=photo["sha256"],
                caption=_caption(photo["item"], english),
                taken_at=photo["taken_at"],
                shown=place < shown,
            )
            for place, photo in enumerate(said.get("photographs", ()))
        ],
        signer=contents.Signature(
            role="Issued by" if english else "ผู้ออกคำสั่ง",
            name=said["signer"]["name"],
            position=_under(said["signer"]),
            at=contents.moment(row.signed_at),
            how=f"{how} · SHA-256 {row.content_hash}",
        ),
        supersedes=said["corrects"] or "",
    )
    return await documents.issue(
        tx,
        kind="order",
        subject=row.id,
        scope_province=row.province,
        company=row.company,
        shown=row.served_at is not None,  # the company sees it as the order itself (s.38)
        language=language,
        content=content,
        supersedes=await document_queries.latest(tx, "order", row.id, row.company, language),
    )


def _caption(item: str, english: bool) -> str:
    return f"of {item}" if english else f"ข้อ {item}"


def _under(signer: dict[str, str]) -> str:
    """The signer's position, and the instrument that lets them sign."""
    return " ".join(part for part in (signer["position"], signer["authority"]) if part)


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n") if part.strip()]


def _within(days: int | None, english: bool) -> str:
    if days is None:
        return ""
    return f"{days} days from service" if english else f"{days} วัน นับแต่วันที่ได้รับแจ้งคำสั่ง"
