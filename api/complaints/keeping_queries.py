"""The statements behind what an administrator keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from api.complaints.keeping_views import Appointment, Route
from api.db import Tx
from api.ids import of_text


def category_id(code: str) -> UUID:
    """A category as a record of events."""
    return of_text(f"complaint category {code}")


async def lock_category(tx: Tx, code: str) -> None:
    await tx.lock([category_id(code)])


async def category_version(tx: Tx, code: str) -> int | None:
    found: int | None = await tx.value(
        "select version from complaint_category where code = $1", code
    )
    return found


async def put_category(
    tx: Tx, code: str, version: int, content: str, account: UUID | None, *, active: bool
) -> None:
    await tx.run(
        """
        with put as (
            insert into complaint_category (code, version, content, active, place)
            values ($1, $2, $3::jsonb, $4,
                (select coalesce(max(place), 0) + 1 from complaint_category))
            on conflict (code) do update set version = excluded.version,
                content = excluded.content, active = excluded.active
            returning code
        )
        insert into complaint_category_version (category, version, at, account, content)
        select code, $2, $5, $6, $3::jsonb from put
        """,
        code,
        version,
        content,
        active,
        tx.now,
        account,
    )


class RouteRow(msgspec.Struct):
    """A rule as stored."""

    id: UUID
    priority: int
    province: str | None
    category: str | None
    in_estate: bool | None
    classes: list[int] | None
    emergency: bool | None
    to_kind: str | None
    to_office: UUID | None
    note: str
    version: int


async def routes(tx: Tx) -> list[RouteRow]:
    """In the order in which they are tried."""
    return await tx.all(
        RouteRow,
        """
        select id, priority, province, category, in_estate, classes, emergency, to_kind,
            to_office, note, version
        from complaint_route order by priority, id
        """,
    )


async def put_route(tx: Tx, id: UUID, route: Route) -> int:
    version: int = await tx.value(
        """
        insert into complaint_route (id, priority, province, category, in_estate, classes,
            emergency, to_kind, to_office, note)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict (id) do update set priority = excluded.priority,
            province = excluded.province, category = excluded.category,
            in_estate = excluded.in_estate, classes = excluded.classes,
            emergency = excluded.emergency, to_kind = excluded.to_kind,
            to_office = excluded.to_office, note = excluded.note,
            version = complaint_route.version + 1
        returning version
        """,
        id,
        route.priority,
        route.province,
        route.category,
        route.in_estate,
        route.classes,
        route.emergency,
        route.to_kind,
        route.to_office,
        route.note,
    )
    return version


async def remove_route(tx: Tx, id: UUID) -> bool:
    return await tx.run("delete from complaint_route where id = $1", id) == 1


async def is_local(tx: Tx, office: UUID) -> bool:
    found: bool = await tx.value(
        "select exists (select from office where id = $1 and kind = 'local')", office
    )
    return found


class AppointmentRow(msgspec.Struct):
    """An appointment as stored."""

    id: UUID
    office: UUID
    province: str
    classes: list[int]
    instrument: str
    valid_from: date
    valid_to: date | None


async def appointments(tx: Tx) -> list[AppointmentRow]:
    return await tx.all(
        AppointmentRow,
        """
        select id, office, province, classes, instrument, valid_from, valid_to
        from local_appointment order by province, valid_from, id
        """,
    )


async def put_appointment(tx: Tx, id: UUID, entry: Appointment) -> None:
    await tx.run(
        """
        insert into local_appointment (id, office, province, classes, instrument, valid_from,
            valid_to)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (id) do update set office = excluded.office, province = excluded.province,
            classes = excluded.classes, instrument = excluded.instrument,
            valid_from = excluded.valid_from, valid_to = excluded.valid_to
        """,
        id,
        entry.office,
        entry.province,
        entry.classes,
        entry.instrument,
        entry.valid_from,
        entry.valid_to,
    )


async def block(
    tx: Tx, senders: Sequence[bytes], reason: str, until: datetime, account: UUID | None
) -> datetime | None:
    """Blocks each at least until then; returns until when the last of them is blocked now."""
    stands: datetime | None = await tx.value(
        """
        with put as (
            insert into complaint_block (sender, reason, until, account, created_at)
            select s, $2, $3, $4, $5 from unnest($1::bytea[]) as s order by s
            on conflict (sender) do update set reason = excluded.reason,
                until = greatest(complaint_block.until, excluded.until), account = excluded.account
            returning until
        )
        select max(until) from put
        """,
        list(senders),
        reason,
        until,
        account,
        tx.now,
    )
    return stands


async def unblock(tx: Tx, senders: Sequence[bytes]) -> int:
    return await tx.run(
        "delete from complaint_block where sender = any ($1::bytea[])", list(senders)
    )
