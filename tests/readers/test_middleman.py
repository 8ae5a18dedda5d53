"""Whoever has broken TLS stands between the real program and a real server, and reads no card."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from api import ids, keys
from api.db import Database
from api.keys import Purpose
from api.readers.bridges import identity
from api.settings import Settings
from reader_bridge import attending, messages
from reader_bridge.chain.journal import Journal
from reader_bridge.device import folder
from reader_bridge.device import keys as device_keys
from reader_bridge.doctor.network import network
from reader_bridge.enrolment import Refused
from reader_bridge.fields import Field
from reader_bridge.line import by_http, by_socket, retries
from reader_bridge.messages import (
    Arm,
    Enrolment,
    Kind,
    SealingKey,
    ServerKeys,
    Signed,
    Ticket,
    Tickets,
    sign,
)
from reader_bridge.server_keys import enrolment_fingerprint
from tests.bridge.papers import asked, shown, statement
from tests.bridge.scripted import ScriptedReaders
from tests.pcsc.people import person
from tests.pcsc.virtual_card import VirtualCard
from tests.readers.bridges import Running, running
from tests.readers.middleman import Middleman, middleman
from tests.readers.pc import READER, At, enrolled, mapped, noted, notes, read_once, serving, until
from tests.world import World

HIS = Ed25519PrivateKey.generate()
HIS_OPENER = X25519PrivateKey.generate()
HIS_SEALING = SealingKey("his", HIS_OPENER.public_key().public_bytes_raw())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(conf: Settings, db: Database) -> AsyncIterator[Running]:
    async with running(conf, db) as found:
        yield found


@pytest_asyncio.fixture(params=["by a socket", "by HTTP"])
async def man(server: Running, request: Any) -> AsyncIterator[Middleman]:
    async with middleman(server.url) as found:
        found.by_http = request.param == "by HTTP"
        yield found


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(retries, "LONGEST_RETRY_S", 0.3)
    monkeypatch.setattr(by_http, "IDLE_WAIT_S", 1)
    monkeypatch.setattr(by_socket, "LOOK_S", 0.1)
    monkeypatch.setattr(attending, "ALONE_FOR", 0.2)


class Pc:
    """An enrolled PC with one reader on a desk, whose way leads over the man in the middle."""

    def __init__(self, server: Running, world: World, where: Path, device: UUID) -> None:
        self.server, self.world, self.where, self.device = server, world, where, device
        self.port = ScriptedReaders(READER)
        self.desk = ids.new()

    def kept(self) -> Journal:
        return Journal(self.where, device_keys.load(self.where))

    def waiting(self) -> int:
        kept = self.kept()
        try:
            return kept.count()
        finally:
            kept.close()

    async def sent(self) -> None:
        async with asyncio.timeout(20):
            while self.waiting():
                await asyncio.sleep(0.05)

    def pin(self) -> Any:
        kept = self.kept()
        try:
            return kept.pin()
        finally:
            kept.close()

    async def read(self, number: int) -> dict[str, Any]:
        return await read_once(self.server, self.world, self.device, self.port, number, self.desk)

    async def nothing_read(self, number: int) -> None:
        """An officer waits, a card is put in, and it is not asked one thing."""
        officer, intent = At(self.server, self.world.inspector), ids.new()
        body = {"desk": self.desk, "purpose": "identify_complainant"}
        await officer.request("PUT", f"/v1/intents/{intent}", body)
        card = VirtualCard(person(number))
        await asyncio.sleep(0.5)
        self.port.insert(READER, card)
        await asyncio.sleep(1.0)
        self.port.remove(READER)
        assert not card.seen and self.port.open_transactions == 0
        found = await officer.request("GET", f"/v1/intents/{intent}")
        assert found["state"] == "armed" and found["step"] != "reading"
        await officer.request("POST", f"/v1/intents/{intent}/cancel")


async def put_up(server: Running, world: World, conf: Settings, where: Path, man: Middleman) -> Pc:
    found = await enrolled(server, world.head, where, conf.base_url)
    folder.save(where, msgspec.structs.replace(found, server=man.url))
    assert found.device is not None
    pc = Pc(server, world, where, found.device)
    async with serving(where, pc.port):
        pc.desk = await mapped(
            server, world.head, found.device, pc.port, reader=READER, card=VirtualCard(person(1))
        )
        await pc.sent()
    return pc


def lying(keys_of: Callable[[Any], ServerKeys], conf: Settings) -> Callable[[str, Any], Any]:
    def says(what: str, said: Any) -> Any:
        if what == "welcome":
            true = msgspec.convert(said["keys"], ServerKeys)
            return said | {"keys": json.loads(messages.encode(keys_of(true)))}
        return said

    return says


def his(true: ServerKeys) -> ServerKeys:
    """Keys of his own, signed by himself, under the true identity's name."""
    mine = shown(
        HIS, HIS_SEALING, since=datetime.now(UTC) + timedelta(days=1), audience="http://testserver"
    )
    return ServerKeys(true.identity, mine.sealing, mine.successions)


# --- what is sealed to ----------------------------------------------------------------------------


async def test_a_middleman_with_a_key_of_his_own_gets_no_card_and_nothing_that_waits_is_lost(
    server: Running, man: Middleman, conf: Settings, world: World, tmp_path: Path
) -> None:
    pc = await put_up(server, world, conf, tmp_path, man)
    kept = pc.kept()
    kept.state(statement(device_keys.load(tmp_path), device=pc.device, audience=conf.base_url))
    kept.close()
    man.says, man.heard[:] = lying(his, conf), []
    async with serving(tmp_path, pc.port) as program:
        await noted(tmp_path, lambda told: "nothing is read" in told.get("error", ""))
        error = notes(tmp_path)["error"]
        assert pc.pin().fingerprint in error and "แม่ข่าย" in error
        await pc.nothing_read(2)
        assert not program.done() and pc.waiting() == 1
        hellos = [body for what, body in man.heard if what in ("greeting", "exchange")]
        assert hellos and not any(what == "statement" for what, _ in man.heard)
        assert not any(body.get("messages") for body in hellos)
        configuration = folder.load(tmp_path)
        man.tell_the_truth()
        await pc.sent()
        assert (await pc.read(3))["card"]["cid"] == person(3).cid
        found = await asyncio.to_thread(lambda: list(network(configuration, pc.pin())))
        (named,) = [one for one in found if one.english == "server's key"]
        assert (named.state, named.found) == ("good", pc.pin().fingerprint)


async def test_a_middleman_with_a_key_that_the_server_once_had_gets_no_card_either(
    server: Running, man: Middleman, conf: Settings, world: World, tmp_path: Path
) -> None:
    old = identity.shown()
    keys.ring().rotate(Purpose.reading)
    pc = await put_up(server, world, conf, tmp_path, man)
    assert pc.pin().key.kid == keys.ring().active(Purpose.reading).kid
    man.says = lying(lambda true: old, conf)
    async with serving(tmp_path, pc.port):
        await noted(tmp_path, lambda told: "older key" in told.get("error", ""))
        await pc.nothing_read(4)


async def test_a_pc_that_was_away_follows_its_server_to_another_identity_and_reads(
    server: Running, man: Middleman, conf: Settings, world: World, tmp_path: Path
) -> None:
    pc = await put_up(server, world, conf, tmp_path, man)
    before = pc.pin()
    for _ in range(2):
        keys.ring().rotate(Purpose.identity)
    assert identity.shown().identity != before.identity
    async with serving(tmp_path, pc.port):
        assert (await pc.read(5))["card"]["cid"] == person(5).cid
    assert pc.pin().identity == identity.shown().identity


# --- what lets it read ----------------------------------------------------------------------------


def invented(how: str, man: Middleman) -> Callable[[], list[Any]]:
    """What the man in the middle adds to each welcome: that a card be read."""
    arm = Arm(ids.new(), bytes(32), "identify_complainant", 60.0, READER, (Field.cid,))

    def adds() -> list[Any]:
        if how == "his word":
            return [json.loads(messages.encode(arm))]
        if how == "his signature":
            body = next(b for w, b in reversed(man.heard) if w in ("greeting", "exchange"))
            hello = msgspec.convert(body["hello"], Signed).sha256
            return [json.loads(messages.encode(asked(hello, arm, HIS)))]
        return [one for one in man.said if one["type"] == "asked"][:1]

    return adds


@pytest.mark.parametrize("how", ["his word", "his signature", "the server's of another time"])
async def test_nobody_but_the_server_and_only_now_lets_a_card_be_read(
    server: Running, man: Middleman, conf: Settings, world: World, tmp_path: Path, how: str
) -> None:
    pc = await put_up(server, world, conf, tmp_path, man)
    async with serving(tmp_path, pc.port):
        await pc.read(6)
    assert any(one["type"] == "asked" for one in man.said)
    man.adds = invented(how, man)
    async with serving(tmp_path, pc.port):
        await noted(tmp_path, lambda told: "signature" in told.get("error", ""))
        card = VirtualCard(person(7))
        pc.port.insert(READER, card)
        await asyncio.sleep(0.5)
        assert not card.seen
        pc.port.remove(READER)


async def test_a_ticket_that_another_key_has_signed_is_not_kept(
    server: Running, man: Middleman, conf: Settings, world: World, tmp_path: Path
) -> None:
    pc = await put_up(server, world, conf, tmp_path, man)
    now = datetime.now(UTC)
    ticket = Ticket(
        ids.new(), bytes(32), "identify_complainant", (Field.cid,), "x", now, now + timedelta(1)
    )

    def adds() -> list[Any]:
        body = next(b for w, b in reversed(man.heard) if w in ("greeting", "exchange"))
        hello = msgspec.convert(body["hello"], Signed).sha256
        told = (Tickets((ticket,)), asked(hello, Tickets((ticket,)), HIS))
        return [json.loads(messages.encode(told[len(man.said) % 2]))]

    man.adds = adds
    async with serving(tmp_path, pc.port):
        await noted(tmp_path, lambda told: "signature" in told.get("error", ""))
        await asyncio.sleep(0.5)
        kept = pc.kept()
        assert kept.ticket_count() == 0
        kept.close()
        man.tell_the_truth()
        officer = At(server, world.inspector)
        body = {"desk": pc.desk, "purpose": "identify_complainant", "count": 1}
        await officer.request("POST", "/v1/offline-tickets", body)
        async with asyncio.timeout(20):
            while True:
                kept = pc.kept()
                count = kept.ticket_count()
                kept.close()
                if count:
                    break
                await asyncio.sleep(0.05)


# --- of before, and enrolment ---------------------------------------------------------------------


async def test_a_device_of_before_sends_what_it_has_reads_nothing_and_says_what_to_do(
    server: Running,
    man: Middleman,
    conf: Settings,
    world: World,
    db: Database,
    tmp_path: Path,
) -> None:
    pc = await put_up(server, world, conf, tmp_path, man)
    kept = pc.kept()
    kept._store.run("delete from state where name = 'pin'")
    kept.state(statement(device_keys.load(tmp_path), device=pc.device, audience=conf.base_url))
    kept.close()
    async with serving(tmp_path, pc.port) as program:
        await pc.sent()
        officer, intent = At(server, world.inspector), ids.new()
        body = {"desk": pc.desk, "purpose": "identify_complainant"}
        await officer.request("PUT", f"/v1/intents/{intent}", body)
        await until(officer, intent, fault="server-not-pinned")
        card = VirtualCard(person(8))
        pc.port.insert(READER, card)
        await asyncio.sleep(0.5)
        assert not card.seen and not program.done()
        pc.port.remove(READER)
    async with db.read() as tx:
        assert await tx.value("select state from bridge where id = $1", pc.device) == "active"


@pytest.mark.parametrize("whose", ["his server", "his device", "both"])
async def test_an_enrolment_through_a_middleman_comes_to_nothing(
    server: Running, conf: Settings, world: World, db: Database, tmp_path: Path, whose: str
) -> None:
    """He gives the PC a server's key of his own, or gives the server a device of his own."""
    own = shown(HIS, HIS_SEALING, audience=conf.base_url)
    device = Ed25519PrivateKey.generate()
    seen: dict[str, Any] = {}

    def says(what: str, said: Any) -> Any:
        if what == "identity" and whose != "his device":
            return json.loads(messages.encode(own))
        if what == "enrolments":
            server_key = identity.shown().identity if whose == "his device" else own.identity
            pretended = enrolment_fingerprint(seen["key"], server_key, said["user_code"])
            seen.update(true=said["fingerprint"])
            return said | {"fingerprint": pretended}
        return said

    def hears(what: str, said: Any) -> Any:
        if what != "enrolments":
            return said
        asked_for = msgspec.json.decode(base64.b64decode(said["body"]), type=Enrolment)
        seen["key"] = asked_for.public_key
        if whose == "his server":
            return said
        mine = msgspec.structs.replace(
            asked_for,
            public_key=device.public_key().public_bytes_raw(),
            server=identity.shown().identity,
        )
        return json.loads(messages.encode(sign(device, Kind.enrolment, mine)))

    async with middleman(server.url) as man:
        man.says, man.hears = says, hears
        with pytest.raises((Refused, AssertionError)) as failed:
            await asyncio.wait_for(
                enrolled(server, world.head, tmp_path, conf.base_url, by=man.url), 10
            )
    if whose == "his server":  # the device's own words give him away at once
        assert isinstance(failed.value, Refused) and "ผู้ดักกลางทาง" in str(failed.value)
    else:
        assert "readers/fingerprint-wrong" in str(failed.value)
    assert not (tmp_path / folder.CONFIGURATION).exists()
    async with db.read() as tx:
        known = device.public_key().public_bytes_raw(), seen["key"]
        assert not await tx.value(
            "select count(*) from bridge where public_key = any ($1::bytea[])", list(known)
        )
