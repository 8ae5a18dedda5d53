"""The register as each caller may see it: found, read, sent to phones.

Officers see every field. A company sees its own licences in full. Everyone else sees what is
public: name, number, class, category, place and status, and no natural person's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec

from api import permissions
from api.db import Tx
from api.factories import earth, names, numbers, queries, search
from api.factories.categories import ClassRule, find
from api.factories.model import (
    CategoryView,
    Factory,
    FactoryLine,
    FactoryNotFound,
    Filters,
    Licence,
    LicenceLine,
    NumberWrong,
    OutsideThailand,
    PhoneFactory,
    PhoneLicence,
    Position,
    QueryTooShort,
    Status,
    StatusAt,
    public_name,
)
from api.factories.queries import LicenceRow, PremisesRow
from api.permissions import Actor, Role, Session

_PUBLIC_ROLES = frozenset((Role.operator, Role.citizen))


# --- who sees what ------------------------------------------------------------------------------


def sees_all(actor: Actor) -> bool:
    """Whether every field of every factory is open to `actor`: officers and the system."""
    if isinstance(actor, Session):
        return not actor.roles <= _PUBLIC_ROLES
    return isinstance(actor, permissions.Worker)


def owns(actor: Actor, row: LicenceRow) -> bool:
    """Whether `actor` signs in for the company that holds the licence."""
    return isinstance(actor, Session) and row.operator_company in actor.companies


# --- finding ------------------------------------------------------------------------------------


def words(query: str) -> tuple[str, ...]:
    """The parts of a name that are searched for; raises `QueryTooShort`."""
    found = tuple(names.search_words(query))
    if not found or max(map(len, found)) < 2:
        raise QueryTooShort()
    return found


async def find_factories(
    tx: Tx, filters: Filters, cursor: str | None, limit: int
) -> tuple[list[FactoryLine], str | None]:
    """A page of factories in Thai order, or the nearest first.

    Raises `NumberWrong`, `OutsideThailand` and `CursorInvalid`. With a number, struck-off factories
    are found too.
    """
    if filters.near is not None and not earth.in_thailand(*filters.near[:2]):
        raise OutsideThailand()
    of = await queries.by_number(tx, _normal(filters.number)) if filters.number else None
    rows, following = await search.find(tx, filters, cursor, limit, of)
    licences = _by_premises(await queries.licences_of(tx, [row.id for row in rows]))
    full = sees_all(tx.actor)
    lines = []
    for row in rows:
        held = licences.get(row.id, [])
        line = FactoryLine(
            row.id,
            row.name if full else _name_for(tx.actor, row.name, held),
            row.province,
            row.district,
            row.subdistrict,
            row.registered,
            [
                LicenceLine(
                    x.id, x.key, x.number_old, x.licence_class, x.category, Status(x.status)
                )
                for x in held
            ],
        )
        if full:
            line.lat, line.lng = row.lat, row.lng
            line.distance_m = None if row.chord is None else round(earth.arc(row.chord), 1)
        elif filters.words and line.name != row.name:
            continue  # a search by name must not tell whose factory it is either
        lines.append(line)
    return lines, following


def _normal(number: str) -> str:
    reading = numbers.parse(number)
    if isinstance(reading, numbers.FactoryNew | numbers.FactoryOld):
        return reading.normal
    if isinstance(reading, numbers.Wrong):
        raise NumberWrong(reason=reading.reason, th=reading.th, en=reading.en)
    raise NumberWrong(
        reason="kind",
        th="เป็นเลขของบุคคล ไม่ใช่เลขทะเบียนโรงงาน",
        en="it is the number of a person, not of a factory",
    )


def _by_premises(rows: Sequence[LicenceRow]) -> dict[UUID, list[LicenceRow]]:
    found: dict[UUID, list[LicenceRow]] = {}
    for row in rows:
        found.setdefault(row.premises_id, []).append(row)
    return found


def _name_for(actor: Actor, name: str, licences: Sequence[LicenceRow]) -> str:
    """A site's name as the public may see it."""
    for row in licences:
        if not owns(actor, row):
            name = public_name(name, row.operator_name, row.operator_kind)
    return name


# --- reading ------------------------------------------------------------------------------------


async def read_factory(tx: Tx, id: UUID) -> Factory:
    """A site with its licences; the id of a site that was merged leads to the one it became.

    Raises `FactoryNotFound`.
    """
    row = await standing(tx, id)
    place = await queries.place_names(tx, row)
    licences = await queries.licences_of(tx, [row.id])
    history = await _histories(tx, licences)
    full = sees_all(tx.actor)
    mine = full or any(owns(tx.actor, x) for x in licences)
    position = None
    if mine and row.lat is not None and row.lng is not None:
        source: Literal["register", "officer"] = (
            "officer" if row.position_source == "officer" else "register"
        )
        position = Position(row.lat, row.lng, source)
    return Factory(
        id=row.id,
        version=row.version,
        name=row.name if full else _name_for(tx.actor, row.name, licences),
        address=row.address if mine else None,
        province=row.province,
        province_th=place.province,
        district=row.district,
        district_th=place.district,
        subdistrict=row.subdistrict,
        subdistrict_th=place.subdistrict,
        position=position,
        registered=row.registered,
        licences=[_licence(x, history[x.id], full or owns(tx.actor, x)) for x in licences],
        merged_from=await queries.merged_from(tx, row.id),
    )


async def standing(tx: Tx, id: UUID) -> PremisesRow:
    """The site of this id, or the one it was merged into; raises `FactoryNotFound`."""
    found = await queries.premises(tx, [id])
    if found and found[0].merged_into is not None:
        found = await queries.premises(tx, [found[0].merged_into])
    if not found:
        raise FactoryNotFound()
    return found[0]


def _licence(row: LicenceRow, history: list[StatusAt], full: bool) -> Licence:
    category = find(row.category) if row.category else None
    person = row.operator_kind == "person"
    return Licence(
        id=row.id,
        version=row.version,
        number=row.key,
        number_new=row.number_new,
        number_old=row.number_old,
        number_shown=row.number_shown,
        licence_class=row.licence_class,
        category=row.category,
        category_th=category.title_th if category else None,
        category_en=category.title_en or None if category else None,
        other_categories=row.other_categories,
        status=Status(row.status),
        name=row.name if full else public_name(row.name, row.operator_name, row.operator_kind),
        operator_kind="person" if person else "company",
        operator_name=row.operator_name if full or not person else None,
        operator_company=row.operator_company if full else None,
        hp=row.hp if full else None,
        workers=row.workers if full else None,
        estate=row.estate or None,
        isic=row.isic or None,
        status_history=history,
    )


async def _histories(tx: Tx, licences: Sequence[LicenceRow]) -> dict[UUID, list[StatusAt]]:
    """Each licence's states from its first record on, out of what its versions changed."""
    changes: dict[UUID, list[queries.VersionRow]] = {row.id: [] for row in licences}
    for version in await queries.status_versions(tx, list(changes)):
        changes[version.licence].append(version)
    found = {}
    for row in licences:
        steps = [(msgspec.json.decode(v.changed, type=tuple[str, str]), v) for v in changes[row.id]]
        first = steps[0][0][0] if steps else row.status
        found[row.id] = [StatusAt(Status(first), row.created_at, "register")]
        for (_, after), v in steps:
            found[row.id].append(
                StatusAt(Status(after), v.at, "officer" if v.by_officer else "register")
            )
    return found


async def for_phones(tx: Tx, ids: list[UUID]) -> list[PhoneFactory]:
    """The sites as phones keep them. A company sees its own licences and no other's."""
    full = sees_all(tx.actor)
    licences = _by_premises(await queries.licences_of(tx, ids))
    found = []
    for row in await queries.premises(tx, ids):
        held = [x for x in licences.get(row.id, []) if full or owns(tx.actor, x)]
        if row.merged_into is not None or not (full or held):
            continue
        found.append(
            PhoneFactory(
                row.id,
                row.version,
                row.name if full else held[0].name,
                row.address,
                row.province,
                row.district,
                row.subdistrict,
                row.lat,
                row.lng,
                row.registered,
                [_phone_licence(x) for x in held],
            )
        )
    return found


def _phone_licence(x: LicenceRow) -> PhoneLicence:
    return PhoneLicence(
        x.id,
        x.key,
        x.number_old,
        x.licence_class,
        x.category,
        x.other_categories,
        Status(x.status),
        x.name,
        x.operator_name,
        "person" if x.operator_kind == "person" else "company",
        x.operator_company,
        x.hp,
        x.workers,
    )


async def list_categories(tx: Tx) -> list[CategoryView]:
    """Every type of factory with what puts it into a class."""
    return [
        CategoryView(
            c.code,
            c.main,
            c.sub,
            c.title_th,
            c.title_en,
            msgspec.json.decode(c.classes, type=dict[str, ClassRule]),
        )
        for c in await queries.categories(tx)
    ]
