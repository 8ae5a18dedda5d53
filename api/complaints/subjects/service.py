"""Whom a complaint is about, as the officer decides: confirms, changes, or records a factory that
nobody registered. What is offered beforehand is in `around.py`."""

from __future__ import annotations

from uuid import UUID

from api import ids
from api.clock import bangkok_date
from api.complaints import moving
from api.complaints.model import OPEN, ComplaintRow, EntryKind, Severity, Subject
from api.complaints.problems import ComplaintSealed, PlaceUnknown
from api.complaints.subjects import queries as subject_queries
from api.complaints.subjects.views import ConfirmedSubject, ConfirmSubject, Office
from api.db import Tx
from api.factories import service as factories
from api.factories.model import RegisterPremises
from api.inspection.visits import queries as visits


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
