"""What is kept beside complaints: categories, routes, appointed local bodies, blocked senders."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec

from api import events
from api.complaints import identity, keeping_queries, moving, queries
from api.complaints.categories import Category, Content
from api.complaints.keeping_views import (
    Appointment,
    Block,
    Blocked,
    Route,
    StoredAppointment,
    StoredRoute,
)
from api.complaints.problems import (
    AppointmentNotFound,
    CategoryUnknown,
    NothingToBlock,
    RouteNotFound,
    RouteWrong,
)
from api.db import Tx
from api.permissions import Session
from api.problems import Malformed, Stale

_CODE = re.compile(r"[a-z][a-z_]{1,30}")
NETWORK: Final = timedelta(hours=24)
"""A network is blocked for no longer: many people stand behind one address."""


async def edit_category(
    tx: Tx, code: str, content: Content, version: int, *, active: bool
) -> Category:
    """Writes the next version; 0 makes a new category. Raises `Malformed`, `Stale`."""
    if not _CODE.fullmatch(code):
        raise Malformed(reason=f"a code is {_CODE.pattern}", where="code")
    await keeping_queries.lock_category(tx, code)
    held = await keeping_queries.category_version(tx, code)
    if (held or 0) != version:
        raise Stale(current=held or 0)
    text = msgspec.json.encode(content).decode()
    await keeping_queries.put_category(tx, code, version + 1, text, _account(tx), active=active)
    await events.record(
        tx,
        "complaint_category.edited",
        "complaint_category",
        keeping_queries.category_id(code),
        facts={"code": code, "version": version + 1, "active": active},
    )
    return Category(
        code=code, version=version + 1, active=active, **msgspec.structs.asdict(content)
    )


async def put_route(tx: Tx, id: UUID, route: Route) -> StoredRoute:
    """Writes a rule. Raises `RouteWrong`, `CategoryUnknown`."""
    if (route.to_kind is None) == (route.to_office is None):
        raise RouteWrong()
    if route.category is not None and not any(
        row.code == route.category for row in await queries.categories(tx)
    ):
        raise CategoryUnknown()
    await tx.lock([id])
    version = await keeping_queries.put_route(tx, id, route)
    await events.record(
        tx, "complaint_route.edited", "complaint_route", id, facts=msgspec.structs.asdict(route)
    )
    return StoredRoute(id=id, version=version, **msgspec.structs.asdict(route))


async def remove_route(tx: Tx, id: UUID) -> None:
    """Raises `RouteNotFound`."""
    if not await keeping_queries.remove_route(tx, id):
        raise RouteNotFound(route=id)
    await events.record(tx, "complaint_route.removed", "complaint_route", id)


async def put_appointment(tx: Tx, id: UUID, entry: Appointment) -> StoredAppointment:
    """Writes an appointment; one that ended keeps its row. Raises `AppointmentNotFound` where the
    office is no local body."""
    if not await keeping_queries.is_local(tx, entry.office):
        raise AppointmentNotFound(office=entry.office)
    await keeping_queries.put_appointment(tx, id, entry)
    await events.record(
        tx,
        "local_appointment.edited",
        "local_appointment",
        id,
        facts=msgspec.structs.asdict(entry),
    )
    return StoredAppointment(id=id, **msgspec.structs.asdict(entry))


async def block_sender(tx: Tx, complaint: UUID, block: Block) -> Blocked:
    """Takes nothing for a while from who told a complaint; who that is stays unseen.

    Raises `ComplaintNotFound`, and `NothingToBlock` where none of it is known.
    """
    row = await moving.held(tx, complaint, "complaint_block.edit", None)
    found = await identity.senders(tx, row.id)
    network = [found.network] if block.network and found.network is not None else []
    if not found.named and not network:
        raise NothingToBlock()
    length = timedelta(days=block.days)
    account, soon = _account(tx), tx.now + min(length, NETWORK)
    until = await keeping_queries.block(tx, found.named, block.reason, tx.now + length, account)
    network_until = await keeping_queries.block(tx, network, block.reason, soon, account)
    facts = {"until": until, "network_until": network_until}
    await events.record(tx, "complaint_block.added", "complaint", row.id, facts=facts)
    return Blocked(len(found.named) + len(network), until, network_until)


async def unblock_sender(tx: Tx, complaint: UUID) -> None:
    """Lifts every block of who told the complaint, the network's too; none there is no error.

    Raises `ComplaintNotFound`.
    """
    row = await moving.held(tx, complaint, "complaint_block.edit", None)
    found = await identity.senders(tx, row.id)
    network = [found.network] if found.network is not None else []
    if await keeping_queries.unblock(tx, [*found.named, *network]):
        await events.record(tx, "complaint_block.removed", "complaint", row.id)


def _account(tx: Tx) -> UUID | None:
    return tx.actor.account if isinstance(tx.actor, Session) else None
