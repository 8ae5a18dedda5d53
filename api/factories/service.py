"""What is done with the register: found, read, registered, corrected, merged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET

from api import events, ids, permissions
from api.db import Tx
from api.factories import earth, names, numbers, queries, search
from api.factories.categories import ClassRule, find
from api.factories.model import (
    CategoryView,
    CorrectLicence,
    CorrectPremises,
    Factory,
    FactoryLine,
    FactoryNotFound,
    Filters,
    IdTaken,
    Licence,
    LicenceLine,
    LicenceNotFound,
    MergeImpossible,
    MergePremises,
    MoveImpossible,
    NumberWrong,
    OutsideThailand,
    PhoneFactory,
    PhoneLicence,
    Position,
    QueryTooShort,
    RegisterPremises,
    Status,
    StatusAt,
    Subject,
    move,
    public_name,
)
from api.factories.queries import LicenceRow, PremisesRow
from api.permissions import Actor, Role, Session
from api.problems import Stale

_PUBLIC_ROLES = frozenset((Role.operator, Role.citizen))


# --- who sees what ------------------------------------------------------------------------------


def sees_all(actor: Actor) -> bool:
    """Whether every field of every factory is open to `actor`: officers and the system."""
    if isinstance(actor, Session):
        return not actor.roles <= _PUBLIC_ROLES
    return isinstance(actor, permissions.Worker)


def _owns(actor: Actor, row: LicenceRow) -> bool:
    return isinstance(actor, Session) and row.operator_company in actor.companies


def _scopes(province: str, licences: Iterable[LicenceRow]) -> list[str]:
    companies = {row.operator_company for row in licences if row.operator_company is not None}
    return [events.province(province), *(events.company(id) for id in sorted(companies))]


def _account(tx: Tx) -> UUID | None:
    return tx.actor.account if isinstance(tx.actor, Session) else None


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

    Raises `NumberWrong`, `OutsideThailand` and `CursorWrong`. With a number, struck-off factories
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
        if not _owns(actor, row):
            name = public_name(name, row.operator_name, row.operator_kind)
    return name


# --- reading ------------------------------------------------------------------------------------


async def read_factory(tx: Tx, id: UUID) -> Factory:
    """A site with its licences; the id of a site that was merged leads to the one it became.

    Raises `FactoryNotFound`.
    """
    row = await _standing(tx, id)
    place = await queries.place_names(tx, row)
    licences = await queries.licences_of(tx, [row.id])
    history = await _histories(tx, licences)
    full = sees_all(tx.actor)
    mine = full or any(_owns(tx.actor, x) for x in licences)
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
        licences=[_licence(x, history[x.id], full or _owns(tx.actor, x)) for x in licences],
        merged_from=await queries.merged_from(tx, row.id),
    )


async def _standing(tx: Tx, id: UUID) -> PremisesRow:
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
        held = [x for x in licences.get(row.id, []) if full or _owns(tx.actor, x)]
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


async def position_of(tx: Tx, premises: UUID) -> Position | None:
    """Where the register, or an officer, puts a site; raises `FactoryNotFound`."""
    row = await _standing(tx, premises)
    return None if row.lat is None or row.lng is None else Position(row.lat, row.lng)


async def subject_of(tx: Tx, licence: UUID) -> Subject:
    """What the rules look at; raises `LicenceNotFound`."""
    found = await queries.subject(tx, licence)
    if found is None:
        raise LicenceNotFound()
    return found


# --- writing ------------------------------------------------------------------------------------


def _reaches(tx: Tx, verb: str, province: str) -> bool:
    scope = permissions.scope(tx.actor, verb)
    return scope.provinces is None or province in scope.provinces


async def register_premises(tx: Tx, site: RegisterPremises) -> Factory:
    """Puts a factory without a licence on record; sent twice with its id it is stored once.

    Raises `FactoryNotFound` outside the caller's provinces, `OutsideThailand`, `PlaceUnknown`
    and `IdTaken`.
    """
    assert site.province is not None
    if not _reaches(tx, "premises.register", site.province):
        raise FactoryNotFound()
    _must_lie_in_thailand(site.lat, site.lng)
    id = site.id or ids.new()
    if await queries.insert_premises(tx, id, site):
        await events.record(
            tx, "premises.registered", "factory", id, scopes=[events.province(site.province)]
        )
    else:
        (held,) = await queries.premises(tx, [id])
        same = (site.name, site.province, site.lat, site.lng, site.address)
        if (held.name, held.province, held.lat, held.lng, held.address) != same:
            raise IdTaken()
    return await read_factory(tx, id)


def _must_lie_in_thailand(lat: float | None, lng: float | None) -> None:
    if lat is not None and lng is not None and not earth.in_thailand(lat, lng):
        raise OutsideThailand()


async def _to_correct(tx: Tx, id: UUID, version: int) -> PremisesRow:
    found = await queries.lock_premises(tx, [id])
    if not found or not _reaches(tx, "premises.correct", found[0].province):
        raise FactoryNotFound()
    if found[0].merged_into is not None or found[0].version != version:
        raise Stale(current=found[0].version)
    return found[0]


async def correct_premises(tx: Tx, id: UUID, version: int, wanted: CorrectPremises) -> Factory:
    """Puts position, address or sub-district right; the register's feed then leaves it alone.

    Raises `FactoryNotFound`, `Stale`, `OutsideThailand` and `PlaceUnknown`.
    """
    row = await _to_correct(tx, id, version)
    changed: dict[str, Any] = {}
    if wanted.position is not UNSET:
        to = wanted.position
        _must_lie_in_thailand(to.lat, to.lng)
        await queries.move_premises(tx, id, to.lat, to.lng)
        changed["position"] = [[row.lat, row.lng], [to.lat, to.lng]]
    address = row.address if wanted.address is UNSET else names.clean(wanted.address)
    subdistrict = row.subdistrict if wanted.subdistrict is UNSET else wanted.subdistrict
    if (address, subdistrict) != (row.address, row.subdistrict):
        district = subdistrict[:4] if subdistrict else row.district
        await queries.readdress_premises(tx, id, address, district, subdistrict)
        changed |= {
            "address": [row.address, address],
            "subdistrict": [row.subdistrict, subdistrict],
        }
    if changed:
        await queries.version_premises(tx, id, _account(tx), changed)
        licences = await queries.licences_of(tx, [id])
        await events.record(
            tx,
            "premises.corrected",
            "factory",
            id,
            scopes=_scopes(row.province, licences),
            facts={"fields": sorted(changed)},
        )
    return await read_factory(tx, id)


async def merge_premises(tx: Tx, id: UUID, version: int, wanted: MergePremises) -> Factory:
    """Makes two records of one site one: both numbers, both names and both ids go on leading here.

    Raises `FactoryNotFound`, `Stale` and `MergeImpossible`.
    """
    if wanted.other == id:
        raise MergeImpossible(reason="เป็นสถานที่เดียวกันอยู่แล้ว / it is the same record")
    rows = {row.id: row for row in await queries.lock_premises(tx, [id, wanted.other])}
    if len(rows) < 2 or any(
        not _reaches(tx, "premises.merge", row.province) for row in rows.values()
    ):
        raise FactoryNotFound()
    row, other = rows[id], rows[wanted.other]
    if row.merged_into is not None or row.version != version:
        raise Stale(current=row.version)
    if other.merged_into is not None:
        raise MergeImpossible(reason="ถูกรวมไปแล้ว / it was merged before")
    if other.province != row.province:
        raise MergeImpossible(reason="อยู่คนละจังหวัด / they lie in different provinces")
    await queries.merge_into(tx, id, other.id)
    account = _account(tx)
    await queries.version_premises(tx, id, account, {"merged": [None, str(other.id)]})
    await queries.version_premises(tx, other.id, account, {"merged_into": [None, str(id)]})
    scopes = _scopes(row.province, await queries.licences_of(tx, [id]))
    await events.record(
        tx, "premises.merged", "factory", other.id, gone=scopes, facts={"into": str(id)}
    )
    await events.record(
        tx, "premises.merged", "factory", id, scopes=scopes, facts={"other": str(other.id)}
    )
    return await read_factory(tx, id)


async def correct_licence(tx: Tx, id: UUID, version: int, wanted: CorrectLicence) -> Factory:
    """Moves a licence to another state, or binds it to a company that signs in.

    Raises `LicenceNotFound`, `Stale`, `MoveImpossible` and `CompanyUnknown`.
    """
    row = await queries.lock_licence(tx, id)
    if row is None:
        raise LicenceNotFound()
    (site,) = await queries.premises(tx, [row.premises_id])
    if not _reaches(tx, "licence.correct", site.province):
        raise LicenceNotFound()
    if row.version != version:
        raise Stale(current=row.version)
    status = row.status if wanted.status is UNSET else wanted.status.value
    company = row.operator_company if wanted.operator_company is UNSET else wanted.operator_company
    changed: dict[str, Any] = {}
    if status != row.status:
        if move(Status(row.status), Status(status)) is None:
            raise MoveImpossible(state=row.status, target=status)
        changed["status"] = [row.status, status]
    if company != row.operator_company:
        changed["operator_company"] = [row.operator_company, company]
    if changed:
        await queries.change_licence(tx, id, status, company)
        await queries.version_licence(tx, id, _account(tx), changed)
        live = await queries.renew_live(tx, site.id)
        await _tell_corrected(tx, row, site, live, sorted(changed))
    return await read_factory(tx, site.id)


async def _tell_corrected(
    tx: Tx, row: LicenceRow, site: PremisesRow, live: bool, fields: list[str]
) -> None:
    scopes = _scopes(site.province, await queries.licences_of(tx, [site.id]))
    await events.record(tx, "licence.corrected", "licence", row.id, facts={"fields": fields})
    former = [] if row.operator_company is None else [events.company(row.operator_company)]
    gone = [scope for scope in former if scope not in scopes]
    if not live:
        gone, scopes = scopes[:1] + gone, scopes[1:]
    await events.record(
        tx, "premises.changed", "factory", site.id, scopes=scopes, gone=gone, facts={}
    )
