"""Rows changed by direct SQL, as superuser: `superapp verify-records` names each of them."""

from __future__ import annotations

import asyncio
import os
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from api import integrity
from api.db import Database, Tx
from api.permissions import Worker
from api.settings import Settings
from tests.documents.conftest import superuser
from tests.inspection.orders import accepted, act, draft, proof, read, serve, service, sign, signed
from tests.inspection.test_closures_undone import closed, set_status
from tests.trials.house import command
from tests.world import World

__all__ = ["superuser"]


Wrong = set[tuple[str, UUID, str]]


async def wrong(connection: asyncpg.Connection) -> Wrong:
    tx = Tx(connection, Worker("test"))
    return {(w.kind, w.record, w.what) async for w in integrity.tampered(tx)}


async def made_wrong(connection: asyncpg.Connection, sql: str, *args: Any) -> Wrong:
    """What is told anew after `sql`, which is undone."""
    before, change = await wrong(connection), connection.transaction()
    await change.start()
    try:
        assert int((await connection.execute(sql, *args)).split()[-1]) >= 1
        return await wrong(connection) - before
    finally:
        await change.rollback()


@pytest_asyncio.fixture(scope="module")
async def order(world: World, db: Database) -> dict[str, Any]:
    """A signed and served order with a photograph, and the case file of its matter."""
    order = await signed(world)
    await proof(world.inspector, db)
    photo = await proof(world.inspector, db)
    assert (await serve(world, order, service(evidence=[photo]))).status_code == 200
    await world.work()
    filed = await world.head.post(f"/v1/orders/{order['id']}/case-file")
    assert filed.status_code == 201, filed.text
    found = await read(world, order)
    return found | {"photo": str(photo)}


ORDER = {
    "its words": (
        "update legal_order set signed_content = replace(signed_content, 'ทางหนีไฟ', 'ประตู')"
        " where id = $1",
        "its signed words",
    ),
    "its words with their hash": (
        """
        update legal_order set signed_content = signed_content || ' ',
            content_hash = encode(sha256(convert_to(signed_content || ' ', 'UTF8')), 'hex')
        where id = $1
        """,
        "its signed words",
    ),
    "its number": ("update legal_order set number = 'pio-11 9/2500' where id = $1", "its number"),
    "when it was signed": (
        "update legal_order set signed_at = signed_at - interval '1 day' where id = $1",
        "when it was signed",
    ),
    "when it was served": (
        "update legal_order set served_at = served_at - interval '9 days' where id = $1",
        "when it was served",
    ),
    "ended in silence": (
        "update legal_order set state = 'revoked' where id = $1",
        "its state: the document is in_force",
    ),
    "another's document": (
        """
        update legal_order set document = (select id from document where subject <> $1 limit 1)
        where id = $1
        """,
        "its document",
    ),
}


@pytest.mark.parametrize("change", ORDER)
async def test_a_changed_order_is_told(
    order: dict[str, Any], superuser: asyncpg.Connection, change: str
) -> None:
    id, (sql, what) = UUID(order["id"]), ORDER[change]
    assert await made_wrong(superuser, sql, id) == {("order", id, what)}


OTHERS = {
    "an event gone": (
        "delete from event where record = $1 and name = 'order.served'",
        "id",
        "event",
    ),
    "an event renamed": (
        "update event set name = 'order.revoked' where record = $1 and name = 'order.signed'",
        "id",
        "event",
    ),
    "an event dated back": (
        "update event set at = at - interval '1 day' where record = $1 and name = 'order.signed'",
        "id",
        "event",
    ),
    "other bytes for a photograph": (
        "update evidence set sha256 = sha256('x') where id = $1",
        "photo",
        "evidence",
    ),
    "a photograph dated back": (
        "update evidence set received_at = received_at - interval '1 day' where id = $1",
        "photo",
        "evidence",
    ),
    "a receipt": (
        "update evidence set receipt = overlay(receipt placing 'AAAA' from 120) where id = $1",
        "photo",
        "evidence",
    ),
    "another's receipt": (
        """
        update evidence set receipt = (select receipt from evidence where id <> $1 limit 1)
        where id = $1
        """,
        "photo",
        "evidence",
    ),
    "a document": ("update document set province = '21' where id = $1", "document", "document"),
    "a document's force": (
        "delete from document_force where document = $1",
        "document",
        "document",
    ),
}


@pytest.mark.parametrize("change", OTHERS)
async def test_a_changed_event_receipt_or_document_is_told(
    order: dict[str, Any], superuser: asyncpg.Connection, change: str
) -> None:
    sql, of, kind = OTHERS[change]
    told = await made_wrong(superuser, sql, UUID(order[of]))
    assert {(k, record) for k, record, _ in told} == {(kind, UUID(order[of]))}


@pytest.mark.parametrize(
    "change",
    [
        "hash = sha256('x')",
        "received_at = received_at - interval '1 day'",
        "receipt = left(receipt, -8) || 'AAAAAAAA'",
        "receipt = 'x'",
    ],
)
async def test_a_changed_receipt_of_a_phones_operation_is_told(
    order: dict[str, Any], superuser: asyncpg.Connection, change: str
) -> None:
    id = await superuser.fetchval("select id from operation order by id desc limit 1")
    told = await made_wrong(superuser, f"update operation set {change} where id = $1", id)
    assert told == {("operation", id, "its receipt")}


async def test_orders_of_every_fate_are_what_was_signed(
    world: World, db: Database, superuser: asyncpg.Connection
) -> None:
    """What the server itself does to an order is no tampering."""
    before = await wrong(superuser)
    for verb, body in (
        ("revoke", {"why": "ผิดพลาด"}),
        ("stay", {"by": "minister", "reference": "1"}),
        ("comply", {"why": "แก้ไขแล้ว"}),
    ):
        order = await signed(world)
        assert (await serve(world, order)).status_code == 200
        if verb == "comply":
            async with db.begin() as tx:
                await tx.run(
                    "update order_finding set corrected = true where legal_order = $1",
                    UUID(order["id"]),
                )
        assert (await act(world, order, verb, **body)).status_code == 200
    assert await wrong(superuser) == before


async def test_an_order_in_whose_place_another_stands_is_what_was_signed(
    world: World, db: Database, superuser: asyncpg.Connection
) -> None:
    """Be it the stop before a served closure, or an order that was corrected; not the other way."""
    before = await wrong(superuser)
    stop, close = await closed(world, db)
    await set_status(db, close, "operating")
    visit = await accepted(world)
    first = await signed(world, visit)
    second = await sign(world, await draft(world, visit, corrects=first["id"]))
    assert second.status_code == 200, second.text
    assert [(await read(world, o))["state"] for o in (stop, first)] == ["superseded"] * 2
    assert await wrong(superuser) == before
    sql = "update legal_order set superseded_by = $2 where id = $1"
    told = await made_wrong(superuser, sql, UUID(first["id"]), UUID(close["id"]))
    assert told == {("order", UUID(first["id"]), "its state: the document is corrected")}


async def test_the_command_says_so_and_fails(
    order: dict[str, Any], conf: Settings, superuser: asyncpg.Connection
) -> None:
    variables = os.environ | {
        "SUPERAPP_DATABASE_URL": conf.database_url,
        "SUPERAPP_KEYRING": conf.keyring,
        "SUPERAPP_DATA_DIR": conf.data_dir,
        "SUPERAPP_ENV": "test",
    }
    id = UUID(order["id"])
    await superuser.execute("update legal_order set number = 'pio-11 8/2500' where id = $1", id)
    told = await asyncio.to_thread(command, variables, "verify-records", check=False)
    await superuser.execute("update legal_order set number = $2 where id = $1", id, order["number"])
    assert told.returncode == 1
    assert f"order {id}: ถูกแก้ไข / tampered with: its number" in told.stdout
