"""What is around a complaint: factories that it may be about, complaints that may be the same.

Each is offered with its reasons, whose points add up. All that a statement found is weighed; only
what is shown becomes a view, and only its reasons become sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from api import permissions
from api.complaints import reading
from api.complaints.categories import content
from api.complaints.desk import reading as desk_reading
from api.complaints.model import STATE_TH, ComplaintRow, State, shown_number
from api.complaints.subjects import queries as subject_queries
from api.complaints.subjects.queries import Like, Near
from api.complaints.subjects.views import Around, Candidate, Reason, SimilarComplaint
from api.db import Tx
from api.factories import earth, names

Row = TypeVar("Row")
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
SAME_FACTORY, SAME_CATEGORY = 40, 30
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


class Weighed(NamedTuple, Generic[Row]):
    """What a statement found, with the reasons that speak for it and the sum of their points."""

    row: Row
    metres: int | None
    score: int
    reasons: list[Reason]


async def around(tx: Tx, id: UUID) -> Around:
    """What whoever takes it up has to know at once; a look at the complaint, with its trace.

    Raises `ComplaintNotFound`.
    """
    complaint = await reading.row(tx, id, "complaint.read")
    await desk_reading.looked_at(tx, complaint)
    return Around(await candidates(tx, complaint), await similar(tx, complaint))


# --- candidates -----------------------------------------------------------------------------------


async def candidates(tx: Tx, complaint: ComplaintRow) -> list[Candidate]:
    """Factories that it may be about, the likeliest first."""
    industries = await _industries(tx, complaint.category, complaint.category_version)
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
    best: dict[UUID, Weighed[Near]] = {}
    for row in rows:
        weighed = _weigh(row, complaint, industries, called=row.premises in called)
        before = best.get(row.premises)
        if weighed is not None and (before is None or before.score < weighed.score):
            best[row.premises] = weighed
    return [_candidate(one) for one in sorted(best.values(), key=_likeliest)[:MOST]]


def _weigh(
    row: Near, complaint: ComplaintRow, industries: Mapping[str, int], *, called: bool
) -> Weighed[Near] | None:
    """A site with what speaks for it; None where only nearness does, and it is far."""
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
    weight, main = _industry(row, industries)
    if weight:
        reasons.append(_reason("industry", BY_INDUSTRY[weight], category=int(main), weight=weight))
    if row.status == "operating":
        reasons.append(_reason("operating", OPERATING))
    if not row.registered:
        reasons.append(_reason("unregistered", UNREGISTERED))
    return Weighed(row, metres, sum([reason.points for reason in reasons]), reasons)


def _industry(row: Near, industries: Mapping[str, int]) -> tuple[int, str]:
    """The highest weight among the kinds of industry of a licence, and which kind it is."""
    found = (0, "")
    for code in (row.category, *(row.other_categories or ())):
        weight = industries.get(code[:3], 0) if code else 0
        if code and weight:
            found = max(found, (weight, code[:3]))
    return found


def _likeliest(one: Weighed[Near]) -> tuple[int, int, UUID]:
    return -one.score, 1 << 30 if one.metres is None else one.metres, one.row.premises


def _candidate(one: Weighed[Near]) -> Candidate:
    row = one.row
    return Candidate(
        premises=row.premises,
        name=row.name,
        province=row.province,
        lat=row.lat,
        lng=row.lng,
        distance_m=one.metres,
        registered=row.registered,
        licence=row.licence,
        number=row.number,
        class_=row.class_,
        category=row.category,
        status=row.status,
        score=one.score,
        reasons=_worded(one.reasons),
    )


_weights: dict[tuple[str, int], Mapping[str, int]] = {}


async def _industries(tx: Tx, code: str, version: int) -> Mapping[str, int]:
    """How typical kinds of industry (three digits) are of the category as it was when the complaint
    was told. A version never changes: it is kept."""
    found = _weights.get((code, version))
    if found is None:
        category = content(await subject_queries.category_content(tx, code, version))
        kinds = category.industries.items()
        found = {main.zfill(3): weight for main, weight in kinds if main.isdecimal()}
        if len(_weights) < 1000:
            _weights[code, version] = found
    return found


# --- duplicates -----------------------------------------------------------------------------------


async def similar(tx: Tx, complaint: ComplaintRow) -> list[SimilarComplaint]:
    """Complaints near in place, time and category, also closed ones, the likeliest duplicates
    first; of the caller's reach only."""
    here, found = _earth(complaint), list[Like]()
    scope, only_of = permissions.scope(tx.actor, "complaint.read"), reading.only_of(tx)
    office = reading.own_office(tx)
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
    rows = {row.id: row for row in found if row.id != complaint.id}
    weighed = [_alike(row, complaint) for row in rows.values()]
    weighed.sort(key=lambda one: (-one.score, one.row.received_at, one.row.id))
    return [_similar(tx, one, complaint) for one in weighed[:MOST]]


def _alike(row: Like, to: ComplaintRow) -> Weighed[Like]:
    metres = None if row.chord is None else round(earth.arc(row.chord))
    reasons = []
    if row.premises is not None and row.premises == to.premises:
        reasons.append(_reason("factory", SAME_FACTORY))
    if metres is not None and (points := _points(metres, SIMILAR_PLACE)):
        reasons.append(_reason("distance", points, metres=metres))
    days = _days(row, to)
    if points := _points(days, SIMILAR_TIME):
        reasons.append(_reason("time", points, days=days))
    if row.category == to.category:
        reasons.append(_reason("category", SAME_CATEGORY))
    return Weighed(row, metres, sum([reason.points for reason in reasons]), reasons)


def _days(row: Like, to: ComplaintRow) -> int:
    return int(abs((row.received_at - to.received_at).total_seconds()) // 86400)


def _similar(tx: Tx, one: Weighed[Like], to: ComplaintRow) -> SimilarComplaint:
    row = one.row
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
        distance_m=one.metres,
        days_apart=_days(row, to),
        version=row.version,
        score=one.score,
        reasons=_worded(one.reasons),
    )


# --- shared ---------------------------------------------------------------------------------------


def _earth(complaint: ComplaintRow) -> str | None:
    if complaint.lat is None or complaint.lng is None:
        return None
    return earth.cube_text(complaint.lat, complaint.lng)


def _points(measured: int, steps: Sequence[tuple[int, int]]) -> int:
    """The points of the first step that reaches so far."""
    for within, points in steps:
        if measured <= within:
            return points
    return 0


def _reason(code: str, points: int, **facts: int) -> Reason:
    return Reason(code, points, facts, "", "")


def _worded(reasons: list[Reason]) -> list[Reason]:
    for reason in reasons:
        th, en = WORDS[reason.code]
        reason.th, reason.en = th.format_map(reason.facts), en.format_map(reason.facts)
    return reasons
