"""Before it is told again: what was released nearby, and "me too". See ADR 0018.

Only complaints that an officer released are offered or can be joined. Were others, a factory could
ask at its own gate whether there is a complaint about it.
"""

from __future__ import annotations

import math
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID

from api import codes, events, limits, sealed, settings
from api.clock import BANGKOK, bangkok_date
from api.complaints import identity, intake, tracking
from api.complaints.model import PUBLIC_TH, PublicStatus, others_status, public_number
from api.complaints.own import me_too_queries
from api.complaints.own.me_too_queries import Released
from api.complaints.own.service import OPEN
from api.complaints.problems import ComplaintEnded, ComplaintNotFound, SenderBlocked
from api.complaints.views import MeToo, MeTooSaid, Nearby
from api.db import Tx
from api.factories import earth
from api.permissions import NOBODY, Session, Tracking
from api.problems import NotAllowed

NEAR_M: Final = 3000.0
STEP_M: Final = 500
AGE: Final = timedelta(days=365)
OFFERED: Final = 10
_ASKED_AN_HOUR: Final = 120


async def nearby(tx: Tx, lat: float, lng: float, category: str) -> list[Nearby]:
    """Released complaints of that kind around a place, the nearest first; by the map's rules.

    Everything is measured from the middle of the complaint's field: whoever asks from many places
    learns the field, and never the point in it. So is what counts as near. Nothing is offered of
    the month that has not ended, and all of a month ceases at once: that one appeared, or was gone,
    would tell the day.
    """
    reach = earth.chord(NEAR_M + 2000)
    x, y, z = earth.point(lat, lng)
    box = f"({x - reach},{y - reach},{z - reach}),({x + reach},{y + reach},{z + reach})"
    found = await me_too_queries.near(
        tx,
        category,
        box,
        since=_month_of(tx.now - AGE),
        before=_month_of(tx.now),
        grid=settings.current().public_grid_deg,
        least=settings.current().public_cell_min,
    )
    measured = []
    for each in found:
        assert each.lat is not None and each.lng is not None
        metres = earth.distance(lat, lng, middle(each.lat), middle(each.lng))
        if metres <= NEAR_M:
            measured.append((metres, each))
    measured.sort(key=lambda pair: (round(pair[0] / STEP_M), pair[1].shown_as))
    return [_offered(each, metres) for metres, each in measured[:OFFERED]]


def _month_of(moment: datetime) -> datetime:
    """When its month began in Bangkok."""
    return datetime.combine(bangkok_date(moment).replace(day=1), time(), BANGKOK)


def middle(degrees: float) -> float:
    """Of the field that a position lies in."""
    field = settings.current().public_grid_deg
    return (math.floor(degrees / field) + 0.5) * field


def _offered(found: Released, metres: float) -> Nearby:
    status = others_status(found.state, found.merged_state)
    return Nearby(
        id=found.shown_as,
        number=public_number(found.shown_as),
        category=found.category,
        distance_m=STEP_M * round(metres / STEP_M),
        month=f"{bangkok_date(found.received_at):%Y-%m}",
        status=status,
        status_th=PUBLIC_TH[status],
        text=found.text,
    )


async def asked(tx: Tx, network: str) -> None:
    """Counts a question of a network; raises `TooFast`. In a transaction of its own."""
    bucket = limits.named("nearby", network)
    await limits.take(tx, bucket, capacity=_ASKED_AN_HOUR, per_second=_ASKED_AN_HOUR / 3600)


async def join(tx: Tx, shown_as: UUID, id: UUID, said: MeTooSaid, network: str) -> MeToo:
    """ "Me too", under the sender's id: subscribes, and counts once a person.

    An account says who somebody is; without one nobody is counted. Nothing else follows from it.
    Raises `ComplaintNotFound`, `ComplaintEnded`, `SecretUnreadable`, `SenderBlocked`, `TooFast`.
    """
    if not (isinstance(tx.actor, Session) or tx.actor == NOBODY):
        raise NotAllowed(verb="complaint.report")
    signed_in = tx.actor.account if isinstance(tx.actor, Session) else None
    account = None if said.anonymous else signed_in
    code = tracking.read(said.secret)
    found = await me_too_queries.released(tx, shown_as)
    if found is None:
        raise ComplaintNotFound(complaint=shown_as)
    await tx.lock([found.id, id])
    persons = identity.persons(account)
    before = await me_too_queries.before(tx, found.id, id, persons)
    if before is not None:
        mine = before.secret in sealed.indexes(tracking.PURPOSE, code)
        if before.complaint != found.id or (before.id == id and not mine):
            raise ComplaintNotFound(complaint=shown_as)
        if before.me_too:
            await me_too_queries.come_back(tx, before.id)
        return _joined(found, before.id, code if mine else None, before.counted, replayed=True)
    senders = intake.senders(said.device, signed_in, network)
    if await me_too_queries.blocked(tx, intake.known(senders)):
        raise SenderBlocked()
    status = others_status(found.state, found.merged_state)
    if status not in OPEN:
        raise ComplaintEnded(status=status)
    person = persons[0] if persons else None
    await me_too_queries.insert(tx, id, found.id, account, person, tracking.index(code))
    # As when a complaint is told, after the secret: else two with one secret could deadlock.
    counted = [s for s in senders if s.kind != "account" or account is not None]
    await limits.take_all(tx, [s.bucket for s in counted])
    tx.actor = Tracking(found.id, id)
    await events.record(tx, "complaint.me_too_added", "complaint", found.id)
    return _joined(found, id, code, account is not None, replayed=False)


def _joined(found: Released, id: UUID, code: str | None, counted: bool, *, replayed: bool) -> MeToo:
    status: PublicStatus = others_status(found.state, found.merged_state)
    return MeToo(
        id=id,
        complaint=found.shown_as,
        number=public_number(found.shown_as),
        code=codes.shown(code) if code else None,
        status=status,
        status_th=PUBLIC_TH[status],
        counted=counted,
        replayed=replayed,
    )
