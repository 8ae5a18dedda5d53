"""Whether what stands in the data base is still what was signed, receipted and filed.

The keys lie outside the data base: whoever changes rows by SQL, as superuser too, cannot sign them
anew. Held against signatures are documents with all that became of them, the orders that they were
made from, the receipts of phones' operations and of evidence, and every event that a case file
lists. What no signature names, such as an event of no case file yet, is not seen to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from api import keys, permissions, sealed
from api.db import Tx
from api.documents import contents
from api.documents import queries as documents
from api.documents import service as document_service
from api.documents.model import Force, RecordTampered
from api.inspection.orders.model import OrderState

PAGE = 500
_LIVE = {Force.in_force, Force.stayed}
FORCES = {
    OrderState.signed: _LIVE,
    OrderState.served: _LIVE,
    OrderState.overdue: _LIVE,
    OrderState.breached: _LIVE,
    OrderState.complied: {Force.fulfilled},
    OrderState.superseded: {Force.corrected, Force.superseded},
    OrderState.revoked: {Force.revoked},
    OrderState.annulled: {Force.annulled},
}
"""What became of an order's document where the order is in that state; which of the two of a
superseded one, the order that took its place decides."""


T = TypeVar("T", "Id", "SignedOrder", "Receipt")


class Tampered(NamedTuple):
    """A record that is not what was signed; `what` says which part, in English."""

    kind: str
    record: UUID
    what: str


async def tampered(tx: Tx) -> AsyncIterator[Tampered]:
    """Every record that does not hold. What seems not to is looked at again, for it may have been
    moved by the server between two looks."""
    async for wrong in _documents(tx):
        yield wrong
    async for wrong in _orders(tx):
        yield wrong
    async for receipt in _pages(tx, _operations):
        if not _receipt_holds(receipt, _operation):
            yield Tampered("operation", receipt.id, "its receipt")
    async for receipt in _pages(tx, _evidence):
        if not _receipt_holds(receipt, _file):
            yield Tampered("evidence", receipt.id, "its receipt")


class Id(msgspec.Struct):
    id: UUID


class SignedOrder(msgspec.Struct):
    """An order as far as its document says the same."""

    id: UUID
    state: OrderState
    number: str
    signed_at: datetime
    content_hash: str
    signed_content: str
    document: UUID | None
    served: bool
    corrected: bool | None


class Receipt(msgspec.Struct):
    id: UUID
    hash: bytes
    size: int
    received_at: datetime
    receipt: str


class Happened(msgspec.Struct):
    at: datetime
    name: str
    record: UUID


async def _document_ids(tx: Tx, after: UUID) -> list[Id]:
    return await tx.all(
        Id, "select id from document where id > $1 order by id limit $2", after, PAGE
    )


async def _signed_orders(tx: Tx, after: UUID) -> list[SignedOrder]:
    return await tx.all(
        SignedOrder,
        """
        select o.id, state, number, signed_at, content_hash, signed_content, document,
            o.served_at is null or exists (select from service_attempt a
                where a.legal_order = o.id and a.counted_at is not null
                    and a.counts_at = o.served_at),
            (select by.corrects is not distinct from o.id from legal_order by
                where by.id = o.superseded_by)
        from legal_order o where number is not null and o.id > $1 order by o.id limit $2
        """,
        after,
        PAGE,
    )


async def _operations(tx: Tx, after: UUID) -> list[Receipt]:
    return await tx.all(
        Receipt,
        """
        select id, hash, 0, received_at, receipt from operation
        where id > $1 order by id limit $2
        """,
        after,
        PAGE,
    )


async def _evidence(tx: Tx, after: UUID) -> list[Receipt]:
    return await tx.all(
        Receipt,
        """
        select id, sha256, size, received_at, receipt from evidence
        where id > $1 order by id limit $2
        """,
        after,
        PAGE,
    )


async def _pages(tx: Tx, page: Callable[[Tx, UUID], Awaitable[list[T]]]) -> AsyncIterator[T]:
    after = UUID(int=0)
    while rows := await page(tx, after):
        for row in rows:
            yield row
        after = rows[-1].id


async def _documents(tx: Tx) -> AsyncIterator[Tampered]:
    async for row in _pages(tx, _document_ids):
        try:
            await _summary(tx, row.id)
        except RecordTampered:
            yield Tampered("document", row.id, "its row, or what became of it")
            continue
        except sealed.Erased:
            continue
        async for wrong in _filed(tx, row.id):
            yield wrong


async def _summary(tx: Tx, document: UUID) -> None:
    try:
        await document_service.summary(tx, document)
    except RecordTampered:
        await document_service.summary(tx, document)


async def _filed(tx: Tx, document: UUID) -> AsyncIterator[Tampered]:
    """The events that a case file lists are all there, as they were."""
    row = await documents.by_id(tx, document, permissions.EVERYTHING)
    if row is None or row.kind != "case_file":
        return
    _, envelope = await document_service.opened(tx, row)
    said = Counter(
        (UUID(e["record"]), e["name"], e["at"]) for e in envelope.content.get("events", [])
    )
    held = Counter(
        (e.record, e.name, contents.moment(e.at))
        for e in await tx.all(
            Happened,
            "select at, name, record from event where record = any($1::uuid[])",
            sorted({record for record, _, _ in said}),
        )
    )
    for record, name, at in sorted(said - held):
        yield Tampered("event", record, f"{name} at {at}, listed in case file {document}")


async def _orders(tx: Tx) -> AsyncIterator[Tampered]:
    async for order in _pages(tx, _signed_orders):
        if await _order(tx, order):
            for now in await _signed_orders(tx, UUID(int=order.id.int - 1)):
                if now.id == order.id and (what := await _order(tx, now)):
                    yield Tampered("order", order.id, what)


async def _order(tx: Tx, order: SignedOrder) -> str:
    """What is wrong with an order; empty where nothing is."""
    digest = hashlib.sha256(order.signed_content.encode()).hexdigest()
    if not hmac.compare_digest(digest, order.content_hash):
        return "its signed words"
    if not order.served:
        return "when it was served"
    row = order.document and await documents.by_id(tx, order.document, permissions.EVERYTHING)
    if not row or (row.kind, row.subject) != ("order", order.id):
        return "its document"
    try:
        _, envelope = await document_service.opened(tx, row)
        force = (await document_service.summary(tx, row.id)).force
    except (RecordTampered, sealed.Erased):
        return ""  # the document's own matter
    said, signature = envelope.content, envelope.content["signer"]
    if said["number"] != order.number:
        return "its number"
    if signature["at"] != contents.moment(order.signed_at):
        return "when it was signed"
    if not signature["how"].endswith(f"SHA-256 {digest}"):
        return "its signed words"
    return "" if force in _forces(order) else f"its state: the document is {force}"


def _forces(order: SignedOrder) -> set[Force]:
    """A correction makes a document `corrected`, a closure makes that of its stop `superseded`."""
    if order.state == OrderState.superseded and order.corrected is not None:
        return {Force.corrected if order.corrected else Force.superseded}
    return FORCES[order.state]


# --- receipts -----------------------------------------------------------------------------------


def _operation(row: Receipt) -> dict[str, Any]:
    return {"operation": row.id, "hash": row.hash, "received_at": row.received_at}


def _file(row: Receipt) -> dict[str, Any]:
    return {
        "evidence": row.id,
        "sha256": row.hash.hex(),
        "size": row.size,
        "received_at": row.received_at,
    }


def _receipt_holds(row: Receipt, said: Callable[[Receipt], dict[str, Any]]) -> bool:
    """Whether the receipt (a compact JWS, RFC 7515) is ours and says what stands in the row."""
    signed, _, signature = row.receipt.rpartition(".")
    header, _, payload = signed.partition(".")
    try:
        kid = msgspec.json.decode(_bytes(header))["kid"]
        same = msgspec.json.decode(_bytes(payload)) == msgspec.to_builtins(said(row))
        ours = keys.ring().verify(keys.Purpose.receipt, kid, signed.encode(), _bytes(signature))
    except (ValueError, KeyError, TypeError):  # which msgspec's and base64's errors are
        return False
    return same and ours


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
