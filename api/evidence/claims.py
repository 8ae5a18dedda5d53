"""What of a claim tells about a person: where they were, and how they named a file.

Sealed under the key of the person who sent it, so that erasing them erases it. The camera's own
position is sealed the same way. The bytes themselves are not: they are evidence.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from api import sealed
from api.db import Tx
from api.evidence.model import Claims, EvidenceRow, Place, Said, UploadRow
from api.sealed import Cell, Erased, Sealed

_said = msgspec.json.Decoder(Said)
_place = msgspec.json.Decoder(Place)


def _said_of(id: UUID) -> Cell:
    """One cell for the upload and for the evidence that it becomes under the same id."""
    return Cell("evidence", "said", id)


async def seal_said(tx: Tx, account: UUID | None, id: UUID, claims: Claims) -> bytes | None:
    """None where the claims tell nothing of the kind; of a complainant's, without an account,
    nothing of it is kept."""
    if account is None:
        return None
    said = Said(claims.lat, claims.lng, claims.accuracy_m, claims.filename)
    return None if said == Said() else await _seal(tx, account, _said_of(id), said)


async def seal_place(tx: Tx, account: UUID, evidence: UUID, place: Place) -> bytes | None:
    """None where its sender has been erased."""
    try:
        return await _seal(tx, account, Cell("evidence_examined", "place", evidence), place)
    except Erased:
        return None


async def _seal(tx: Tx, account: UUID, cell: Cell, value: Said | Place) -> bytes:
    key: UUID = await tx.value(
        "select p.data_key from account a join person p on p.id = a.person where a.id = $1",
        account,
    )
    return await sealed.seal(tx, key, cell, msgspec.json.encode(value).decode())


async def said(tx: Tx, row: EvidenceRow | UploadRow) -> Said:
    """For the sender, and for the system's own comparison; empty once the sender was erased."""
    if row.said is None:
        return Said()
    try:
        return _said.decode(await sealed.unseal_bytes(tx, _said_of(row.id), row.said))
    except Erased:
        return Said()


async def said_to_reader(tx: Tx, row: EvidenceRow) -> Said:
    """For somebody else than the sender: opening it is an event."""
    if row.said is None:
        return Said()
    try:
        value = Sealed(_said_of(row.id), row.said)
        return _said.decode(await sealed.unseal(tx, value, purpose="evidence.read"))
    except Erased:
        return Said()


async def made_where(tx: Tx, row: EvidenceRow) -> tuple[tuple[float, float] | None, float]:
    """Where the camera says that it was made, else where the phone says so; and the metres by which
    the phone may be wrong. For the system's own comparison."""
    told = await said(tx, row)
    accuracy = told.accuracy_m or 0.0
    if row.place is not None:
        try:
            cell = Cell("evidence_examined", "place", row.id)
            place = _place.decode(await sealed.unseal_bytes(tx, cell, row.place))
        except Erased:
            return None, accuracy
        return (place.lat, place.lng), accuracy
    return (None if told.lat is None or told.lng is None else (told.lat, told.lng)), accuracy


# --- what earlier releases stored openly --------------------------------------------------------


class _Open(msgspec.Struct):
    id: UUID
    account: UUID
    lat: float | None
    lng: float | None
    accuracy_m: float | None
    filename: str

    @property
    def claims(self) -> Claims:
        return Claims(
            lat=self.lat, lng=self.lng, accuracy_m=self.accuracy_m, filename=self.filename
        )


Stored = Literal["upload", "evidence", "position"]
STORED: tuple[Stored, ...] = ("upload", "evidence", "position")
"""Where claims stood openly. Uploads go first: one that is finished meanwhile is evidence then."""


async def seal_old(tx: Tx, of: Stored, after: UUID, limit: int = 500) -> list[UUID]:
    """Seals up to `limit` claims, or positions of cameras, that stand in plain columns under ids
    after `after`, and returns those ids in their order; as the owner of the tables."""
    if of == "upload":
        rows = await tx.all(
            _Open,
            """
            select id, account, lat, lng, accuracy_m, filename from upload
            where id > $1 and account is not null
                and (lat is not null or filename <> '') order by id limit $2 for update
            """,
            after,
            limit,
        )
        for row in rows:
            await tx.run(
                """
                update upload
                set said = $2, lat = null, lng = null, accuracy_m = null, filename = ''
                where id = $1
                """,
                row.id,
                await _unless_erased(tx, row.account, row.id, row.claims),
            )
    elif of == "evidence":
        rows = await tx.all(
            _Open,
            """
            select id, account, lat, lng, accuracy_m, filename from evidence
            where id > $1 and account is not null
                and (lat is not null or filename <> '') order by id limit $2
            """,
            after,
            limit,
        )
        for row in rows:
            await tx.run(
                """
                update evidence
                set said = $2, lat = null, lng = null, accuracy_m = null, filename = ''
                where id = $1
                """,
                row.id,
                await _unless_erased(tx, row.account, row.id, row.claims),
            )
    else:
        rows = await tx.all(
            _Open,
            """
            select e.id, e.account, x.exif_lat, x.exif_lng, null::float8, ''
            from evidence_examined x join evidence e on e.id = x.evidence
            where x.evidence > $1 and e.account is not null and x.exif_lat is not null
            order by x.evidence limit $2
            """,
            after,
            limit,
        )
        for row in rows:
            assert row.lat is not None and row.lng is not None
            await tx.run(
                """
                update evidence_examined set place = $2, exif_lat = null, exif_lng = null
                where evidence = $1
                """,
                row.id,
                await seal_place(tx, row.account, row.id, Place(row.lat, row.lng)),
            )
    return [row.id for row in rows]


async def _unless_erased(tx: Tx, account: UUID, id: UUID, claims: Claims) -> bytes | None:
    try:
        return await seal_said(tx, account, id, claims)
    except Erased:
        return None
