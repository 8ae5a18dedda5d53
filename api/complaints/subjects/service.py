"""Whom a complaint is about: factories and complaints nearby, offered with reasons; the officer
confirms, changes, or records a factory that nobody registered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from api import ids, permissions
from api.clock import bangkok_date
from api.complaints import moving, reading
from api.complaints.categories import Content, content
from api.complaints.desk import reading as desk_reading
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
from api.complaints.subjects import queries as subject_queries
from api.complaints.subjects.queries import Like, Near
from api.complaints.subjects.views import (
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
from api.permissions import Session

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
SIMILAR_PLACE: Final = ((100, 30), (300, 20), (SIMILAR_M, 10))
SIMILAR_TIME: Final = ((2, 30), (14, 20), (90, 10))
WORDS: Final = {
    "named": ("ผู้แจ้งระบุโรงงานนี้", "named by the complainant"),
    "called": ("ชื่อตรงกับที่ผู้แจ้งเขียน", "its name is as written"),
    "distance": ("ห่าง {metres:,} ม. จากจุดที่แจ้ง", "{metres:,} m from the place told"),
    "industry": (
        "ประเภทโรงงานลำดับที่ {category} มักเกี่ยวข้องกับเรื่องลักษณะนี้",
        "factories of category {category} are typical of such complaints",
    ),
    "operating": ("ประกอบกิจการอยู่", "it is operating"),
    "unregistered": ("เคยพบว่าไม่ได้จดทะเบียน", "found before, and not registered"),
    "factory": ("เรื่องของโรงงานเดียวกัน", "about the same factory"),
    "time": ("ห่างกัน {days} วัน", "{days} days apart"),
    "category": ("ประเภทเรื่องเดียวกัน", "of the same category"),
}


# --- candidates -----------------------------------------------------------------------------------


async def candidates(tx: Tx, id: UUID) -> list[Candidate]:
    """Factories that it may be about, the likeliest first; a look at the complaint, with its trace.

    Raises `ComplaintNotFound`.
    """
    complaint = await reading.row(tx, id, "complaint.read")
    await desk_reading.looked_at(tx, complaint)
    return await of_complaint(tx, complaint)


async def of_complaint(tx: Tx, complaint: ComplaintRow) -> list[Candidate]:
    category = await _category(tx, complaint.category, complaint.category_version)
    here, rows = _earth(complaint), list[Near]()
    if here is not None:
        rows = await subject_queries.factories_near(tx, here)
    called: set[UUID] = set()
    words = [w for w in names.search_words(complaint.factory_named) if len(w) >= SHORTEST]
    if words:
        called = set(await subject_queries.factories_called(tx, words, complaint.province))
    others = called | ({complaint.premises} if complaint.premises else set())
    if others := others - {row.premises for row in rows}:
        rows += await subject_queries.factories_named(tx, here, sorted(others))
    best: dict[UUID, Candidate] = {}
    for row in rows:
        candidate = judge(row, complaint, category, called=row.premises in called)
        before = best.get(row.premises)
        if candidate is not None and (before is None or before.score < candidate.score):
            best[row.premises] = candidate
    found = sorted(best.values(), key=_likeliest)[:MOST]
    for candidate in found:
        _word(candidate.reasons)
    return found


def judge(
    row: Near, complaint: ComplaintRow, category: Content, *, called: bool = False
) -> Candidate | None:
    """A site with its reasons; None where only nearness speaks for it, and it is far."""
    metres = None if row.chord is None else round(earth.arc(row.chord))
    reasons = []
    if row.premises == complaint.premises:
        reasons.append(_reason("named", NAMED))
    elif called:
        reasons.append(_reason("called", CALLED))
    if metres is not None:
        near = max(0, metres - round(complaint.accuracy_m or 0))
        if points := _points(near, BY_DISTANCE):
            reasons.append(_reason("distance", points, metres=metres))
    if not reasons and (metres is None or metres > FARTHEST_M):
        return None
    weight, main = _industry(row, category)
    if weight:
        reasons.append(_reason("industry", BY_INDUSTRY[weight], category=main, weight=weight))
    if row.status == "operating":
        reasons.append(_reason("operating", OPERATING))
    if not row.registered:
        reasons.append(_reason("unregistered", UNREGISTERED))
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
    first; a look at the complaint, with its trace. Raises `ComplaintNotFound`."""
    complaint = await reading.row(tx, id, "complaint.read")
    await desk_reading.looked_at(tx, complaint)
    return await like(tx, complaint)


async def like(tx: Tx, complaint: ComplaintRow) -> list[SimilarComplaint]:
    """As `similar`; of the caller's reach only."""
    here, found = _earth(complaint), list[Like]()
    scope, only_of = permissions.scope(tx.actor, "complaint.read"), reading.only_of(tx)
    office = tx.actor.office if isinstance(tx.actor, Session) else None
    if here is not None:
        found = await subject_queries.complaints_near(
            tx,
            earth=here,
            at=complaint.received_at,
            radius_m=SIMILAR_M,
            scope=scope,
            only_of=only_of,
            office=office,
        )
    if complaint.premises is not None:
        found += await subject_queries.complaints_about(
            tx, complaint.premises, earth=here, scope=scope, only_of=only_of, office=office
        )
    reasons = {row.id: _alike(row, complaint) for row in found if row.id != complaint.id}
    scores = {id: sum(reason.points for reason in of_it) for id, of_it in reasons.items()}
    rows = {row.id: row for row in found if row.id in reasons}
    likeliest = sorted(rows, key=lambda id: (-scores[id], rows[id].received_at, id))[:MOST]
    return [_similar(tx, rows[id], complaint, scores[id], reasons[id]) for id in likeliest]


def _alike(row: Like, to: ComplaintRow) -> list[Reason]:
    reasons = []
    if row.premises is not None and row.premises == to.premises:
        reasons.append(_reason("factory", 40))
    if row.chord is not None:
        metres = round(earth.arc(row.chord))
        if points := _points(metres, SIMILAR_PLACE):
            reasons.append(_reason("distance", points, metres=metres))
    days = _days(row, to)
    if points := _points(days, SIMILAR_TIME):
        reasons.append(_reason("time", points, days=days))
    if row.category == to.category:
        reasons.append(_reason("category", 30))
    return reasons


def _days(row: Like, to: ComplaintRow) -> int:
    return int(abs((row.received_at - to.received_at).total_seconds()) // 86400)


def _similar(
    tx: Tx, row: Like, to: ComplaintRow, score: int, reasons: list[Reason]
) -> SimilarComplaint:
    _word(reasons)
    return SimilarComplaint(
        id=row.id,
        number=shown_number(row.number, row.received_at),
        state=State(row.state),
        state_th=STATE_TH[row.state],
        category=row.category,
        summary=desk_reading.summary(tx, row.summary, row.office, None),
        premises=row.premises,
        office=row.office,
        merged_into=row.merged_into,
        me_toos=row.me_toos,
        received_at=row.received_at,
        distance_m=None if row.chord is None else round(earth.arc(row.chord)),
        days_apart=_days(row, to),
        version=row.version,
        score=score,
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


_categories: dict[tuple[str, int], Content] = {}


async def _category(tx: Tx, code: str, version: int) -> Content:
    """The category as it was when the complaint was told; a version never changes: it is kept."""
    found = _categories.get((code, version))
    if found is None:
        found = content(await subject_queries.category_content(tx, code, version))
        if len(_categories) < 1000:
            _categories[code, version] = found
    return found


def _earth(complaint: ComplaintRow) -> str | None:
    if complaint.lat is None or complaint.lng is None:
        return None
    return earth.cube_text(complaint.lat, complaint.lng)


def _points(measured: int, steps: Sequence[tuple[int, int]]) -> int:
    """The points of the first step that reaches so far."""
    return next((points for within, points in steps if measured <= within), 0)


def _reason(code: str, points: int, **facts: int) -> Reason:
    return Reason(code, points, facts, "", "")


def _word(reasons: Sequence[Reason]) -> None:
    """Puts the words to reasons that are shown: most are not."""
    for reason in reasons:
        th, en = WORDS[reason.code]
        reason.th, reason.en = th.format_map(reason.facts), en.format_map(reason.facts)
