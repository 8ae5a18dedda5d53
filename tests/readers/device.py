"""A desk PC whose statements go straight to the code that judges them, and can say anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from api import clock, ids, keys
from api.accounts import tokens
from api.db import Database, Tx
from api.permissions import Bridge, Role, Session, Worker
from api.problems import Problem
from api.readers.model import Purpose
from api.readers.readings import accept
from reader_bridge.fields import CardText, Name
from reader_bridge.messages import Missing, Receipt, Sealed, SealingKey, Signed
from tests.readers.desk_pc import READER as READER
from tests.readers.desk_pc import DeskPC
from tests.world import World

SAMPLE = CardText(
    cid="1999900000019",
    name_th=Name(prefix="นาย", first="ตัวอย่าง", last="หน้าเคาน์เตอร์"),
)


class Waiting(msgspec.Struct):
    """An armed intent, or a ticket, as the device learned of it."""

    id: UUID
    nonce: bytes
    ticket: bool = False


class Desk(DeskPC):
    """A device with one reader on one desk, and an officer who waits at it: straight in SQL."""

    def __init__(self, db: Database, account: UUID, session: UUID, office: UUID) -> None:
        super().__init__()
        self.db, self.account, self.session, self.office = db, account, session, office
        kid, public = keys.ring().sealing()
        self.sealing: SealingKey = SealingKey(kid, public.public_bytes_raw())
        self.actor: Session | None = None

    async def put_up(self) -> Desk:
        await self.set_up(self.db, self.office, self.account, heard=False)
        return self

    @property
    def bridge(self) -> UUID:
        return self.id

    @bridge.setter
    def bridge(self, id: UUID) -> None:
        self.id = id

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
    ) -> tuple[Signed, Sealed | None]:
        """The next statement of the chain, with whatever `said` says otherwise."""
        of = {"intent": None, "ticket": waiting.id} if waiting.ticket else {}
        found = self.statement(waiting.id, waiting.nonce, text, **of | said)
        return found.signed, found.payload

    async def send(self, signed: Signed, payload: Sealed | None) -> Receipt | Missing:
        async with self.db.begin(Bridge(self.bridge)) as tx:
            found = await self._take(tx, signed, payload)
        if isinstance(found, Receipt) and not found.replayed:
            self.sequence, self.head = found.sequence, found.sha256
        return found

    async def _take(self, tx: Tx, signed: Signed, payload: Sealed | None) -> Receipt | Missing:
        """One alone; raises what it is refused for."""
        (found,) = await accept.take_all(tx, [accept.asked(self.bridge, signed, payload)])
        if isinstance(found, Problem):
            raise found
        return found

    async def send_retrying(self, signed: Signed, payload: Sealed | None) -> Receipt | Missing:
        """As the server does: a deadlock is tried anew."""
        found = await self.db.retrying(
            lambda tx: self._take(tx, signed, payload), Bridge(self.bridge)
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
        reach = await tx.values("select province from office_province where office = $1", office)
    return Session(claims.sub, claims.sid, frozenset({Role.inspector}), office, tuple(reach))


async def at_desk(db: Database, world: World, key: str = "inspector") -> Desk:
    """A desk at which this sample person waits for cards."""
    actor = await person(db, world, key)
    assert actor.office is not None
    found = Desk(db, actor.account, actor.session, actor.office)
    found.actor = actor
    return await found.put_up()
