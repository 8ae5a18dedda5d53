"""Where nothing of a card may stand, whatever it served: any table, notification, log or answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio

from api import ids, sealed
from api.accounts import binding, signin
from api.accounts.model import Identity
from api.db import Database
from api.permissions import Worker
from api.readers.channel.wire import CHANNEL
from api.readers.readings import service as readings
from api.sealed import Cell, Erased, Sealed
from api.settings import Settings
from reader_bridge.fields import Address, CardText, Name
from reader_bridge.messages import Arm, Receipt
from tests.complaints.conftest import told
from tests.inspection.orders import service, signed
from tests.readers.bridges import Bridge, Running, running
from tests.world import Person, World, encode

CARD = CardText(
    cid="1999900070003",
    name_th=Name(prefix="นาง", first="ไร้ร่องรอย", last="ณตัวอย่าง"),
    name_en=Name(prefix="Mrs.", first="Traceless", last="Nasample"),
    address=Address(house="987/654", road="ถนนไร้ร่องรอย"),
    no_expiry=True,
)
JPEG = b"\xff\xd8\xff" + b"TRACELESS-PHOTOGRAPH" * 200 + b"\xff\xd9"
WORDS = ("1999900070003", "ไร้ร่องรอย", "ณตัวอย่าง", "Traceless", "Nasample", "987/654", "TRACELESS")
PASSPORT = {"name": "SAMPLE TRACELESS", "number": "TRACELESS1", "acts_for": "TRACELESS2"}
FIELDS = {
    "identify_complainant": ["cid", "name_th", "address"],
    "serve_order": ["cid", "name_th", "address", "expires"],
    "bind_account": ["cid", "name_th", "name_en", "expires"],
}


@pytest_asyncio.fixture
async def one(conf: Settings, db: Database) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


async def everywhere(admin: asyncpg.Connection, words: tuple[str, ...]) -> list[str]:
    """`table: word` for each word that stands in a row of any table, as text or in bytes."""
    tables = await admin.fetch(
        """
        select format('%I.%I', n.nspname, c.relname) as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')
        """
    )
    assert len(tables) > 80
    found = []
    for table in tables:
        for word in words:
            sql = f"select count(*) from {table['name']} t where t::text like any ($1)"
            like = [f"%{word}%", f"%{word.encode().hex()}%"]
            if await admin.fetchval(sql, like):
                found.append(f"{table['name']}: {word}")
    return found


class Counter:
    """The officer at a desk of a bridge; `said` are the answers that show nothing of a card."""

    def __init__(self, one: Running, bridge: Bridge, officer: Person) -> None:
        self.one, self.bridge, self.officer = one, bridge, officer
        self.said: list[str] = []

    async def request(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.officer.token}"}
        content = None if body is None else encode(body)
        async with httpx.AsyncClient(base_url=self.one.url, headers=headers) as http:
            return await http.request(method, path, content=content)

    async def act(self, method: str, path: str, body: Any, status: int = 200) -> None:
        found = await self.request(method, path, body)
        assert found.status_code == status, found.text
        self.said.append(found.text)

    async def read(self, purpose: str, about: UUID | None = None) -> str:
        body = {"desk": self.bridge.desk, "purpose": purpose, "about": about, "photo": True}
        body["fields"] = FIELDS[purpose]
        await self.act("PUT", f"/v1/intents/{ids.new()}", body)
        asked = await self.bridge.until(Arm)
        shown: dict[str, Any] = {f: getattr(CARD, f) for f in FIELDS[purpose]}
        shown["no_expiry"] = CARD.no_expiry if "expires" in shown else None
        await self.bridge.say(self.bridge.stated(asked, CardText(**shown)))
        receipt = await self.bridge.until(Receipt)
        await self.bridge.say(self.bridge.photographed(asked, JPEG))
        path = f"/v1/readings/{receipt.reading}"
        async with asyncio.timeout(8):
            while (photo := await self.request("GET", f"{path}/photo")).status_code == 404:
                await asyncio.sleep(0.05)
        assert photo.content == JPEG and CARD.cid in (await self.request("GET", path)).text
        found = await self.request(
            "POST", f"{path}/face-match", {"matches": True, "against": "photo"}
        )
        assert found.status_code == 200, found.text
        return str(receipt.reading)


async def test_nothing_of_a_card_stands_in_clear_in_any_table_notification_log_or_answer(
    one: Running, world: World, db: Database, conf: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    admin = await asyncpg.connect(conf.database_url)  # its owner
    heard: list[str] = []
    await admin.add_listener(CHANNEL, lambda *told: heard.append(str(told[-1])))
    bridge = await Bridge.enrolled(db, world.inspector)
    await bridge.connect(one)
    counter = Counter(one, bridge, world.inspector)
    order = await signed(world)
    # a complaint, told twice with one reading; the second is refused
    complaint = await counter.read("identify_complainant")
    said = told(channel="desk", reading=complaint, contact={"phone": "0800000009"})
    await counter.act("PUT", f"/v1/complaints/{ids.new()}", said)
    await counter.act("PUT", f"/v1/complaints/{ids.new()}", said | {"secret": "0" * 40}, 422)
    again = told(channel="desk", reading=complaint)
    await counter.act("PUT", f"/v1/complaints/{ids.new()}", again, 409)
    # an order
    served = await counter.read("serve_order", UUID(order["id"]))
    proof = {"type": "card", "reading": served, "capacity": "director"}
    path = f"/v1/orders/{order['id']}/service"
    wanted = service("personal", proof=proof)
    await counter.act("PUT", f"{path}/{ids.new()}", wanted)
    # an account, and a second one that is refused
    for status in (200, 409):
        async with db.begin(Worker("test")) as tx:
            told_by = Identity(
                issuer="https://i-industry.example", subject=str(ids.new()), officers_only=False
            )
            account = await binding.bind(tx, told_by)
            _, made = await signin.open_session(tx, account, "superapp-phone", "ตัวอย่าง")
            await tx.run("delete from rate_limit where bucket like 'account-code%'")
        holder = Person(world.http, "holder", None, made.access_token)
        shown = (await holder.post("/v1/me/account-codes")).json()["code"]
        bound = await counter.read("bind_account")
        found = await counter.request("POST", f"/v1/readings/{bound}/bind-account", {"code": shown})
        assert found.status_code == status, found.text
        counter.said.append(found.text)
    # a document that was seen
    document = {"kind": "passport", "why": "foreigner"} | PASSPORT
    body = {"desk": bridge.desk, "purpose": "identify_complainant", "document": document}
    seen = await counter.request("PUT", f"/v1/readings/{ids.new()}", body)
    assert seen.status_code == 200, seen.text
    await world.work()
    for person in (world.auditor, world.head):
        for audit in ("/v1/readings.csv", "/v1/reading-audit/readings"):
            counter.said.append((await person.get(audit)).text)
    assert await everywhere(admin, ("พีซีตัวอย่าง",))  # it does find what is there
    assert await everywhere(admin, WORDS) == []
    hexed = [word.encode().hex() for word in WORDS]
    logged = [json.dumps(r.__dict__, default=str, ensure_ascii=False) for r in caplog.records]
    logged += [r.getMessage() for r in caplog.records]
    for where in (heard, logged, counter.said):
        assert where and not [text for text in where for w in (*WORDS, *hexed) if w in text]
    assert any(len(text) > 4000 for text in heard)  # the photograph, sealed
    await bridge.close()
    await admin.close()


async def test_after_its_time_no_key_opens_what_was_read_nor_does_a_backup_of_the_row(
    one: Running, world: World, db: Database, conf: Settings
) -> None:
    bridge = await Bridge.enrolled(db, world.inspector)
    await bridge.connect(one)
    reading = UUID(await Counter(one, bridge, world.inspector).read("identify_complainant"))
    admin = await asyncpg.connect(conf.database_url)  # its owner
    before = await admin.fetchrow("select * from reading where id = $1", reading)
    assert before["cid"] and before["passing"] and before["photo_sha256"] and before["cid_index"]
    await admin.execute("update reading set keep_until = now() where id = $1", reading)
    async with db.begin(Worker("sweep")) as tx:
        await readings.sweep(tx)
    after = await admin.fetchrow("select * from reading where id = $1", reading)
    personal = ("cid", "cid_index", "chip_index", "statement", "passing", "photo_sha256")
    assert [after[name] for name in personal] == [None] * len(personal)
    sealed.forget()
    for column in ("cid", "statement", "passing"):
        value = Sealed(Cell("reading", column, reading), before[column])
        async with db.begin(Worker("test")) as tx:
            with pytest.raises(Erased):
                await sealed.unseal(tx, value, purpose="test")
    await bridge.close()
    await admin.close()
