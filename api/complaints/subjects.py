"""Whom a complaint is about: factories and complaints nearby, offered with reasons; the officer
confirms, changes, or records a factory that nobody registered."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from api import ids, permissions
from api.clock import bangkok_date
from api.complaints import moving, reading, subject_queries
from api.complaints.categories import Content, content
from api.complaints.model import (
    OPEN,
    STATE_TH,
    ComplaintRow,
    EntryKind,
    Severity,
    State,
    Subject,
    shown_number,
)
from api.complaints.problems import ComplaintSealed, PlaceUnknown
from api.complaints.subject_queries import Like, Near
from api.complaints.subject_views import (
    Candidate,
    ConfirmedSubject,
    ConfirmSubject,
    Office,
    Reason,
    SimilarComplaint,
)
from api.db import Tx
from api.factories import earth, names
from api.factories import service as factories
from api.factories.model import RegisterPremises
from api.inspection.visits import queries as visits

FARTHEST_M: Final = 10_000
BY_DISTANCE: Final = ((200, 40), (500, 32), (1000, 22), (2000, 12), (5000, 5))
"""Within so many metres of the place told, less how unsure it is: so many points."""
BY_INDUSTRY: Final = {3: 30, 2: 20, 1: 10}
NAMED, CALLED, OPERATING, UNREGISTERED = 50, 30, 10, 5
MOST = 20
SHORTEST: Final = 3
"""Characters of a word that is looked for among names: less has no trigram."""
SIMILAR_M: Final = 1_000
"""How far, and at 10 m a day how long ago (100 days), complaints are looked for."""
LOOKED_AT = 100


# --- candidates -----------------------------------------------------------------------------------


async def candidates(tx: Tx, id: UUID) -> list[Candidate]:
    """Factories that it may be about, the likeliest first. Raises `ComplaintNotFound`."""
    return await of_complaint(tx, await reading.row(tx, id, "complaint.read"))


async def of_complaint(tx: Tx, complaint: ComplaintRow) -> list[Candidate]:
    category = content(
        await subject_queries.category_content(tx, complaint.category, complaint.category_version)
    )
    rows = await subject_queries.factories_near(tx, _earth(complaint), complaint.premises)
    words = [w for w in names.search_words(complaint.factory_named) if len(w) >= SHORTEST]
    called: set[UUID] = set()
    if words:
        called = set(await subject_queries.factories_called(tx, words, complaint.province))
        seen = {row.premises for row in rows}
        for other in called - seen:
            rows += await subject_queries.factories_near(tx, None, other)
    best: dict[UUID, Candidate] = {}
    for row in rows:
        candidate = judge(row, complaint, category, called=row.premises in called)
        before = best.get(row.premises)
        if candidate is not None and (before is None or before.score < candidate.score):
            best[row.premises] = candidate
    return sorted(best.values(), key=_likeliest)[:MOST]


def judge(
    row: Near, complaint: ComplaintRow, category: Content, *, called: bool = False
) -> Candidate | None:
    """A site with its reasons; None where only nearness speaks for it, and it is far."""
    metres = None if row.chord is None else round(earth.arc(row.chord))
    reasons = []
    if row.premises == complaint.premises:
        reasons.append(_reason("named", NAMED, "ผู้แจ้งระบุโรงงานนี้", "named by the complainant"))
    elif called:
        reasons.append(_reason("called", CALLED, "ชื่อตรงกับที่ผู้แจ้งเขียน", "its name is as written"))
    if metres is not None:
        near = max(0, metres - round(complaint.accuracy_m or 0))
        points = next((points for within, points in BY_DISTANCE if near <= within), 0)
        th, en = f"ห่าง {metres:,} ม. จากจุดที่แจ้ง", f"{metres:,} m from the place told"
        if points:
            reasons.append(_reason("distance", points, th, en, metres=metres))
    if not reasons and (metres is None or metres > FARTHEST_M):
        return None
    weight, main = _industry(row, category)
    if weight:
        th = f"ประเภทโรงงานลำดับที่ {main} มักเกี่ยวข้องกับเรื่องลักษณะนี้"
        en = f"factories of category {main} are typical of such complaints"
        reasons.append(
            _reason("industry", BY_INDUSTRY[weight], th, en, category=main, weight=weight)
        )
    if row.status == "operating":
        reasons.append(_reason("operating", OPERATING, "ประกอบกิจการอยู่", "it is operating"))
    if not row.registered:
        th, en = "เคยพบว่าไม่ได้จดทะเบียน", "found before, and not registered"
        reasons.append(_reason("unregistered", UNREGISTERED, th, en))
    return Candidate(
        premises=row.premises,
        name=row.name,
        province=row.province,
        lat=row.lat,
        lng=row.lng,
        distance_m=metres,
        registered=row.registered,
        licence=row.licence,
        number=row.number,
        class_=row.class_,
        category=row.category,
        status=row.status,
        score=sum(reason.points for reason in reasons),
        reasons=reasons,
    )


def _industry(row: Near, category: Content) -> tuple[int, int]:
    """The highest weight among the kinds of industry of a licence, and which kind it is."""
    kinds = [code for code in (row.category, *(row.other_categories or ())) if code]
    mains = {int(code[:3]) for code in kinds if code[:3].isdecimal()}
    return max(((category.industries.get(str(m), 0), m) for m in mains), default=(0, 0))


def _likeliest(candidate: Candidate) -> tuple[int, int, UUID]:
    far = candidate.distance_m
    return -candidate.score, 1 << 30 if far is None else far, candidate.premises


# --- duplicates -----------------------------------------------------------------------------------


async def similar(tx: Tx, id: UUID) -> list[SimilarComplaint]:
    """Complaints near in place, time and category, also closed ones, the likeliest duplicates
    first. Raises `ComplaintNotFound`."""
    complaint = await reading.row(tx, id, "complaint.read")
    found = await subject_queries.complaints_near(
        tx,
        id,
        earth=_earth(complaint),
        premises=complaint.premises,
        at=complaint.received_at,
        radius_m=SIMILAR_M,
        scope=permissions.scope(tx.actor, "complaint.read"),
        only_of=reading._only_of(tx),
        limit=LOOKED_AT,
    )
    views = [_similar(like, complaint) for like in found]
    return sorted(views, key=lambda s: (-s.score, s.days_apart, s.id))[:MOST]


def _similar(like: Like, to: ComplaintRow) -> SimilarComplaint:
    metres = None if like.chord is None else round(earth.arc(like.chord))
    days = abs((like.received_at - to.received_at).days)
    reasons = []
    if like.premises is not None and like.premises == to.premises:
        reasons.append(_reason("factory", 40, "เรื่องของโรงงานเดียวกัน", "about the same factory"))
    if metres is not None and metres <= SIMILAR_M:
        points = next(
            points for within, points in ((100, 30), (300, 20), (1000, 10)) if metres <= within
        )
        th, en = f"ห่างกัน {metres:,} ม.", f"{metres:,} m apart"
        reasons.append(_reason("distance", points, th, en, metres=metres))
    if days <= 90:
        points = next(points for within, points in ((2, 30), (14, 20), (90, 10)) if days <= within)
        th, en = f"ห่างกัน {days} วัน", f"{days} days apart"
        reasons.append(_reason("time", points, th, en, days=days))
    if like.category == to.category:
        reasons.append(_reason("category", 30, "ประเภทเรื่องเดียวกัน", "of the same category"))
    return SimilarComplaint(
        id=like.id,
        number=shown_number(like.number, like.received_at),
        state=State(like.state),
        state_th=STATE_TH[like.state],
        category=like.category,
        summary=like.summary,
        premises=like.premises,
        office=like.office,
        merged_into=like.merged_into,
        me_toos=like.me_toos,
        received_at=like.received_at,
        distance_m=metres,
        days_apart=days,
        version=like.version,
        score=sum(reason.points for reason in reasons),
        reasons=reasons,
    )


# --- the officer's decision -----------------------------------------------------------------------


async def confirm(tx: Tx, id: UUID, version: int, wanted: ConfirmSubject) -> ConfirmedSubject:
    """Binds the complaint to a factory, or to another than before, while it is open.

    Raises `ComplaintNotFound`, `Stale`, `ComplaintSealed`, `PlaceUnknown`.
    """
    complaint = await _to_confirm(tx, id, version)
    return await _bind(tx, complaint, wanted.premises, wanted.licence, wanted.note)


async def record_unregistered(
    tx: Tx, id: UUID, version: int, site: RegisterPremises
) -> ConfirmedSubject:
    """Puts premises without a licence on record, as the complaint's subject.

    The position is the officer's to give: where the complainant stood may be their home, and the
    register is open to everybody. Raises what `factories.register_premises` raises too.
    """
    complaint = await _to_confirm(tx, id, version)
    site.id = site.id or ids.new()
    registered = await factories.register_premises(tx, site)
    return await _bind(tx, complaint, registered.id, None, "")


async def _to_confirm(tx: Tx, id: UUID, version: int) -> ComplaintRow:
    complaint = await moving.held(tx, id, "complaint.handle", None, version)
    if complaint.state not in OPEN:
        raise ComplaintSealed(state=complaint.state)
    return complaint


async def _bind(
    tx: Tx, complaint: ComplaintRow, premises: UUID, licence: UUID | None, note: str
) -> ConfirmedSubject:
    site = await visits.site(tx, premises, licence)
    if site is None:
        raise PlaceUnknown()
    before = complaint.premises
    complaint.premises = site.premises
    complaint.subject = Subject.confirmed if site.registered else Subject.unregistered
    complaint.province = complaint.province or site.province
    routed = await subject_queries.routed(
        tx,
        site.premises,
        site.licence,
        category=complaint.category,
        urgent=complaint.severity == Severity.emergency,
        today=bangkok_date(tx.now),
    )
    complaint.office = complaint.office or routed.office
    await subject_queries.set_licence(tx, complaint.id, site.licence)
    if note:
        await moving.say(tx, complaint, ids.new(), EntryKind.note, note, shown=False)
    facts = {"premises": site.premises, "licence": site.licence, "before": before}
    await moving.save(tx, complaint, "complaint.subject_confirmed", facts)
    office = None
    if routed.office is not None:
        office = Office(routed.office, routed.office_th or "", routed.office_en or "")
    return ConfirmedSubject(
        complaint=complaint.id,
        premises=site.premises,
        name=routed.name,
        licence=site.licence,
        number=routed.number,
        subject=complaint.subject,
        office=complaint.office,
        routed=office,
        forward=office is not None and office.id != complaint.office,
        version=complaint.version,
    )


# --- shared ---------------------------------------------------------------------------------------


def _earth(complaint: ComplaintRow) -> str | None:
    if complaint.lat is None or complaint.lng is None:
        return None
    return earth.cube_text(complaint.lat, complaint.lng)


def _reason(code: str, points: int, th: str, en: str, **facts: object) -> Reason:
    return Reason(code, points, facts, th, en)
