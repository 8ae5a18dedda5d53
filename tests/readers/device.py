"""A device with a reader on a desk, straight in SQL, so that its statements can say anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import clock, ids, keys, settings
from api.accounts import tokens
from api.db import Database, Tx
from api.permissions import Bridge, Role, Session, Worker
from api.readers.model import Purpose
from api.readers.readings import accept
from reader_bridge import messages
from reader_bridge.fields import CardText, Name
from reader_bridge.messages import Kind, Missing, Receipt, Sealed, SealingKey, Signed, Statement
from tests.world import World

SAMPLE = CardText(
    cid="1999900000019",
    name_th=Name(prefix="นาย", first="ตัวอย่าง", last="หน้าเคาน์เตอร์"),
)
READER = "Sample Reader 00 00"


class Waiting(msgspec.Struct):
    """An armed intent, or a ticket, as the device learned of it."""

    id: UUID
    nonce: bytes
    ticket: bool = False


class Desk:
    """A device with one reader on one desk, and an inspector who waits at it: straight in SQL."""

    def __init__(self, db: Database, account: UUID, session: UUID, office: UUID) -> None:
        self.db, self.account, self.session, self.office = db, account, session, office
        self.key = Ed25519PrivateKey.generate()
        self.bridge, self.reader, self.desk = ids.new(), ids.new(), ids.new()
        self.sequence, self.head = 0, messages.GENESIS
        kid, public = keys.ring().sealing()
        self.sealing = SealingKey(kid, public.public_bytes_raw())
        self.actor: Session | None = None

    async def put_up(self) -> Desk:
        async with self.db.begin(Worker("test")) as tx:
            await tx.run(
                """
                insert into bridge (id, office, name, public_key, key_protection, platform,
                    software, approved_at, approved_by, head, key_since)
                values ($1, $2, 'พีซีตัวอย่าง', $3, 'file', 'Linux', '0', $4, $5, $6, $4)
                """,
                self.bridge,
                self.office,
                self.key.public_key().public_bytes_raw(),
                tx.now,
                self.account,
                messages.GENESIS,
            )
            await self.add_reader(tx, self.reader, READER)
            await tx.run(
                """
                insert into desk (id, office, name, reader, mapped_at, mapped_by)
                values ($1, $2, $3, $4, $5, $6)
                """,
                self.desk,
                self.office,
                f"ช่อง {self.desk}",
                self.reader,
                tx.now,
                self.account,
            )
        return self

    async def add_reader(self, tx: Tx, reader: UUID, name: str) -> None:
        await tx.run(
            "insert into bridge_reader (id, bridge, name, last_seen_at) values ($1, $2, $3, $4)",
            reader,
            self.bridge,
            name,
            tx.now,
        )

    async def arm(
        self,
        purpose: Purpose = Purpose.identify_complainant,
        *,
        about: UUID | None = None,
        fields: tuple[str, ...] = ("cid", "name_th"),
        seconds: float = 90,
    ) -> Waiting:
        found = Waiting(ids.new(), uuid4().bytes * 2)
        async with self.db.begin(Worker("test")) as tx:
            await tx.run("update intent set state = 'cancelled' where reader = $1", self.reader)
            await tx.run(
                """
                insert into intent (id, session, account, office, desk, bridge, reader, purpose,
                    about, fields, photo, nonce, armed_at, expires_at, moved_at)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, false, $11, $12, $13, $12)
                """,
                found.id,
                self.session,
                self.account,
                self.office,
                self.desk,
                self.bridge,
                self.reader,
                purpose,
                about,
                list(fields),
                found.nonce,
                tx.now,
                tx.now + timedelta(seconds=seconds),
            )
        return found

    async def ticket(self, hours: float = 12) -> Waiting:
        found = Waiting(ids.new(), uuid4().bytes * 2, ticket=True)
        async with self.db.begin(Worker("test")) as tx:
            await tx.run(
                """
                insert into offline_ticket (id, bridge, desk, reader, account, purpose, fields,
                    nonce, issued_at, expires_at)
                values ($1, $2, $3, $9, $4, 'identify_complainant', $5, $6, $7, $8)
                """,
                found.id,
                self.bridge,
                self.desk,
                self.account,
                ["cid", "name_th"],
                found.nonce,
                tx.now,
                tx.now + timedelta(hours=hours),
                self.reader,
            )
        return found

    def state(
        self, waiting: Waiting, text: CardText = SAMPLE, **said: Any
    ) -> tuple[Signed, Sealed]:
        """The next statement of the chain, with whatever `said` says otherwise."""
        payload = said.pop("payload", None) or messages.seal(
            self.sealing, msgspec.json.encode(text), "text", waiting.id, self.bridge
        )
        now = datetime.now(UTC)
        body = {
            "audience": settings.current().base_url,
            "intent": None if waiting.ticket else waiting.id,
            "ticket": waiting.id if waiting.ticket else None,
            "nonce": waiting.nonce,
            "purpose": "identify_complainant",
            "device": self.bridge,
            "reader": READER,
            "boot": self.bridge,
            "sequence": self.sequence + 1,
            "previous": self.head,
            "waited_ms": 5,
            "inserted_at": now,
            "read_at": now,
            "atr": b"\x3b",
            "chip_serial": b"12345678",
            "payload_sha256": payload.sha256,
            "key_protection": "file",
        } | said
        return messages.sign(self.key, Kind.statement, Statement(**body)), payload

    async def send(self, signed: Signed, payload: Sealed | None) -> Receipt | Missing:
        async with self.db.begin(Bridge(self.bridge)) as tx:
            found = await accept.take(tx, self.bridge, signed, payload)
        if isinstance(found, Receipt) and not found.replayed:
            self.sequence, self.head = found.sequence, found.sha256
        return found

    async def send_retrying(self, signed: Signed, payload: Sealed | None) -> Receipt | Missing:
        """As the server does: a deadlock is tried anew."""
        found = await self.db.retrying(
            lambda tx: accept.take(tx, self.bridge, signed, payload), Bridge(self.bridge)
        )
        if isinstance(found, Receipt) and not found.replayed:
            self.sequence, self.head = found.sequence, found.sha256
        return found

    async def read(self, waiting: Waiting, **said: Any) -> Receipt:
        found = await self.send(*self.state(waiting, **said))
        assert isinstance(found, Receipt)
        return found

    async def value(self, sql: str, *args: Any) -> Any:
        async with self.db.read() as tx:
            return await tx.value(sql, *args)

    async def readings(self) -> int:
        found: int = await self.value("select count(*) from reading where bridge = $1", self.bridge)
        return found

    async def incidents(self) -> list[str]:
        async with self.db.read() as tx:
            return await tx.values(
                "select kind from bridge_incident where bridge = $1 order by id", self.bridge
            )


async def person(db: Database, world: World, key: str) -> Session:
    """The sample person's live session, as the edge makes it of their token."""
    who = world[key]
    await who.keep_signed_in()
    claims = tokens.read(who.token, clock.now())
    async with db.read() as tx:
        office = await tx.value("select office from account where id = $1", claims.sub)
    return Session(claims.sub, claims.sid, frozenset({Role.inspector}), office)


async def at_desk(db: Database, world: World, key: str = "inspector") -> Desk:
    """A desk at which this sample person waits for cards."""
    actor = await person(db, world, key)
    assert actor.office is not None
    found = Desk(db, actor.account, actor.session, actor.office)
    found.actor = actor
    return await found.put_up()
