"""What is done with the register: sites registered, put right and merged, licences moved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from msgspec import UNSET

from api import events, ids, permissions
from api.db import Tx
from api.factories import earth, names, queries
from api.factories.model import (
    CorrectLicence,
    CorrectPremises,
    Factory,
    FactoryNotFound,
    IdTaken,
    LicenceNotFound,
    MergeImpossible,
    MergePremises,
    MoveImpossible,
    OutsideThailand,
    Position,
    RegisterPremises,
    Status,
    Subject,
    move,
)
from api.factories.queries import LicenceRow, PremisesRow
from api.factories.views import for_phones as for_phones
from api.factories.views import read_factory as read_factory
from api.factories.views import standing
from api.permissions import Session
from api.problems import Stale


def _scopes(province: str, licences: Iterable[LicenceRow]) -> list[str]:
    companies = {row.operator_company for row in licences if row.operator_company is not None}
    return [events.province(province), *(events.company(id) for id in sorted(companies))]


def _account(tx: Tx) -> UUID | None:
    return tx.actor.account if isinstance(tx.actor, Session) else None


async def position_of(tx: Tx, premises: UUID) -> Position | None:
    """Where the register, or an officer, puts a site; raises `FactoryNotFound`."""
    row = await standing(tx, premises)
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
    """Puts position, address or sub-district right; the feed then leaves the position alone.

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
        await _change(tx, row, site, status, company, changed)
    return await read_factory(tx, site.id)


async def close_by_order(tx: Tx, licence: UUID, order: UUID, operator: UUID | None) -> bool:
    """A closure ordered under s.39 was served: the factory is closed, and the licence of a class 3
    revoked, whatever state it was in. False where the licence is not `operator`'s any more."""
    row = await queries.lock_licence(tx, licence)
    if row is None:
        raise LicenceNotFound()
    if row.operator_company != operator:
        return False
    (site,) = await queries.premises(tx, [row.premises_id])
    status = Status.struck_off if row.licence_class == 3 else Status.closed
    if row.status != status:
        changed = {"status": [row.status, status], "order": [None, str(order)]}
        event = "licence.revoked" if status == Status.struck_off else "licence.closed"
        await _change(tx, row, site, status, row.operator_company, changed, event)
    return True


async def hold(tx: Tx, licence: UUID) -> None:
    """Nobody changes the licence until the transaction ends."""
    await queries.lock_licence(tx, licence)


async def hand_over(tx: Tx, licence: UUID, before: UUID, order: UUID) -> None:
    """What the closure `before` took of the licence, if anything, `order` holds from now on."""
    await queries.lock_licence(tx, licence)
    if await queries.taken_by_order(tx, licence, before) is not None:
        changed = {"order": [str(before), str(order)]}
        await queries.version_licence(tx, licence, _account(tx), changed)


async def reinstate_by_order(tx: Tx, licence: UUID, order: UUID) -> bool | None:
    """The closure `order` was undone: the licence is again what it was before.

    None where the order took nothing; False where somebody changed the licence since, which stands.
    """
    row = await queries.lock_licence(tx, licence)
    if row is None:
        raise LicenceNotFound()
    taken = await queries.taken_by_order(tx, licence, order)
    if taken is None:
        return None
    if row.status != taken.after:
        return False
    (site,) = await queries.premises(tx, [row.premises_id])
    changed = {"status": [row.status, taken.before], "order": [str(order), None]}
    await _change(tx, row, site, taken.before, row.operator_company, changed, "licence.reinstated")
    return True


async def _change(
    tx: Tx,
    row: LicenceRow,
    site: PremisesRow,
    status: str,
    company: UUID | None,
    changed: dict[str, Any],
    event: str = "licence.corrected",
) -> None:
    await queries.change_licence(tx, row.id, status, company)
    await queries.version_licence(tx, row.id, _account(tx), changed)
    live = await queries.renew_live(tx, site.id)
    await _tell_changed(tx, row, site, live, event, sorted(changed))


async def _tell_changed(
    tx: Tx, row: LicenceRow, site: PremisesRow, live: bool, event: str, fields: list[str]
) -> None:
    scopes = _scopes(site.province, await queries.licences_of(tx, [site.id]))
    await events.record(tx, event, "licence", row.id, facts={"fields": fields})
    former = [] if row.operator_company is None else [events.company(row.operator_company)]
    gone = [scope for scope in former if scope not in scopes]
    if not live:
        gone, scopes = scopes[:1] + gone, scopes[1:]
    await events.record(
        tx, "premises.changed", "factory", site.id, scopes=scopes, gone=gone, facts={}
    )
