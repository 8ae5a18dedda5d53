"""What becomes of a device's statement: one reading for one live session, or a refusal for good."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import ids
from api.db import Database
from api.permissions import Worker
from api.readers.problems import (
    BridgeEnded,
    BridgeForked,
    BridgeUnknown,
    ReadingNotFound,
)
from api.readers.readings import judging, service
from reader_bridge import messages
from reader_bridge.fields import CardText
from reader_bridge.messages import Missing, Receipt, SealingKey, Signed
from tests.readers.device import SAMPLE, Desk, Waiting, at_desk, person
from tests.world import World


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> Desk:
    return await at_desk(db, world)


# --- taken once ---------------------------------------------------------------------------------


async def test_a_reading_is_seen_by_the_session_that_waited_for_it_alone(
    desk: Desk, db: Database, world: World
) -> None:
    receipt = await desk.read(await desk.arm())
    assert receipt.reading is not None and receipt.refused is None
    assert desk.actor is not None
    async with db.begin(desk.actor) as tx:
        found = await service.read(tx, receipt.reading)
    assert found.card == SAMPLE and found.levels == ["chip-bytes"] and found.label == "online"
    another = await person(db, world, "inspector-2")
    elsewhere = msgspec.structs.replace(desk.actor, session=another.session)
    for actor in (another, elsewhere):
        async with db.begin(actor) as tx:
            with pytest.raises(ReadingNotFound):
                await service.read(tx, receipt.reading)


async def test_a_receipt_that_was_lost_is_given_again_and_nothing_is_read_twice(
    desk: Desk,
) -> None:
    statement = desk.state(await desk.arm())
    first = await desk.send(*statement)
    again = await desk.send(*statement)
    assert isinstance(first, Receipt) and isinstance(again, Receipt)
    assert again.replayed and again.reading == first.reading and again.sha256 == first.sha256
    assert await desk.readings() == 1


async def test_forty_equal_statements_at_once_are_one_reading(desk: Desk) -> None:
    statement = desk.state(await desk.arm())
    found = await asyncio.gather(*(desk.send(*statement) for _ in range(40)))
    assert len({receipt.reading for receipt in found if isinstance(receipt, Receipt)}) == 1
    assert sum(isinstance(r, Receipt) and not r.replayed for r in found) == 1
    assert await desk.readings() == 1 and await desk.incidents() == []


async def test_a_number_said_twice_with_other_words_freezes_the_device(desk: Desk) -> None:
    waiting = await desk.arm()
    one, other = desk.state(waiting), desk.state(waiting, waited_ms=6)
    await desk.send(*one)
    with pytest.raises(BridgeForked):
        await desk.send(*other)
    assert await desk.incidents() == ["replay"]
    with pytest.raises(BridgeEnded):
        await desk.read(await desk.arm())


async def test_a_chain_that_goes_on_from_elsewhere_freezes_the_device(desk: Desk) -> None:
    await desk.read(await desk.arm())
    waiting = await desk.arm()
    with pytest.raises(BridgeForked):
        await desk.read(waiting, previous=messages.GENESIS)
    assert await desk.incidents() == ["fork"]
    state = await desk.value("select state from intent where id = $1", waiting.id)
    assert state == "cancelled"  # nobody waits for a device that is frozen


async def test_of_two_statements_made_at_once_from_one_state_one_freezes_the_device(
    desk: Desk,
) -> None:
    waiting = await desk.arm()
    one, other = desk.state(waiting), desk.state(waiting, waited_ms=6)
    found = await asyncio.gather(desk.send(*one), desk.send(*other), return_exceptions=True)
    assert Counter(type(f) for f in found) == Counter((Receipt, BridgeForked))
    assert await desk.readings() == 1


async def test_what_is_missing_is_asked_for_and_nothing_after_it_is_taken(desk: Desk) -> None:
    found = await desk.send(*desk.state(await desk.arm(), sequence=3))
    assert found == Missing(1)
    assert await desk.readings() == 0 and await desk.incidents() == []


# --- refused for good ---------------------------------------------------------------------------


async def refused(desk: Desk, waiting: Waiting, **said: Any) -> str | None:
    """The code; the chain must have gone on, and nothing of the card may be there."""
    before = desk.sequence
    receipt = await desk.read(waiting, **said)
    assert receipt.reading is None and desk.sequence == before + 1
    assert await desk.readings() == 0
    assert (await desk.read(await desk.arm())).refused is None
    return receipt.refused


async def test_nothing_is_kept_for_an_officer_who_has_signed_out_meanwhile(
    desk: Desk, db: Database
) -> None:
    waiting = await desk.arm()
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            "update session set ended_at = now(), end_reason = 'signed_out' where id = $1",
            desk.session,
        )
    receipt = await desk.read(waiting)
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            "update session set ended_at = null, end_reason = null where id = $1", desk.session
        )
    assert receipt.refused == "readers/session-over" and await desk.readings() == 0


async def test_an_intent_that_is_over_takes_no_reading(desk: Desk) -> None:
    over = await desk.arm(seconds=-1)
    assert await refused(desk, over) == "readers/intent-over"


async def test_an_intent_takes_one_reading_and_no_second(desk: Desk) -> None:
    waiting = await desk.arm()
    assert (await desk.read(waiting)).refused is None
    assert (await desk.read(waiting)).refused == "readers/intent-over"
    assert await desk.readings() == 1


@pytest.mark.parametrize(
    "said",
    [
        {"nonce": bytes(32)},
        {"purpose": "serve_order"},
        {"reader": "Sample Reader 00 01"},
        {"intent": UUID(int=1)},
        {"intent": None},
        {"ticket": UUID(int=1)},
    ],
    ids=lambda said: next(iter(said)),
)
async def test_what_belongs_to_another_intent_is_refused_and_noted(
    desk: Desk, db: Database, said: dict[str, Any]
) -> None:
    async with db.begin(Worker("test")) as tx:
        await desk.add_reader(tx, ids.new(), "Sample Reader 00 01")
    assert await refused(desk, await desk.arm(), **said) == "readers/nonce-wrong"
    assert await desk.incidents() == ["foreign"]


async def test_a_nonce_relayed_to_another_device_is_refused(desk: Desk, db: Database) -> None:
    other = await Desk(db, desk.account, desk.session, desk.office).put_up()
    assert (await other.read(await desk.arm())).refused == "readers/nonce-wrong"
    assert await other.readings() == await desk.readings() == 0


async def test_a_nonce_of_another_session_serves_neither_of_the_two(
    desk: Desk, db: Database, world: World
) -> None:
    """Two officers at one PC: what one armed is not to be read for the other."""
    colleague = await person(db, world, "inspector-2")
    mine = await desk.arm()
    async with db.begin(Worker("test")) as tx:
        await desk.add_reader(tx, reader := ids.new(), "Sample Reader 00 01")
    theirs = Waiting(ids.new(), uuid4().bytes * 2)
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            """
            insert into intent (id, session, account, office, desk, bridge, reader, purpose,
                fields, photo, nonce, armed_at, expires_at, moved_at)
            select $1, $2, $3, office, desk, bridge, $4, purpose, fields, photo, $5, armed_at,
                expires_at, moved_at from intent where id = $6
            """,
            theirs.id,
            colleague.session,
            colleague.account,
            reader,
            theirs.nonce,
            mine.id,
        )
    for waiting, said in (
        (mine, {"nonce": theirs.nonce}),
        (theirs, {"nonce": mine.nonce, "reader": "Sample Reader 00 01"}),
    ):
        assert (await desk.read(waiting, **said)).refused == "readers/nonce-wrong"
    assert await desk.readings() == 0 and await desk.incidents() == ["foreign", "foreign"]


@pytest.mark.parametrize("kind", ["arm", "ticket"])
async def test_a_nonce_relayed_to_a_ticket_or_from_one_is_refused(desk: Desk, kind: str) -> None:
    """An intent's statement must not be labelled offline, nor a ticket's one online."""
    intent, ticket = await desk.arm(), await desk.ticket()
    first, other = (intent, ticket) if kind == "arm" else (ticket, intent)
    relayed = Waiting(first.id, other.nonce, first.ticket)
    assert (await desk.read(relayed)).refused == "readers/nonce-wrong"
    under_the_other_name = Waiting(first.id, first.nonce, other.ticket)
    assert (await desk.read(under_the_other_name)).refused == "readers/nonce-wrong"
    assert await desk.readings() == 0


async def test_a_ticket_is_of_no_use_at_another_device_or_reader(desk: Desk, db: Database) -> None:
    ticket = await desk.ticket()
    other = await Desk(db, desk.account, desk.session, desk.office).put_up()
    assert (await other.read(ticket)).refused == "readers/nonce-wrong"
    async with db.begin(Worker("test")) as tx:
        await desk.add_reader(tx, ids.new(), "Sample Reader 00 01")
    elsewhere = await desk.read(ticket, reader="Sample Reader 00 01")
    assert elsewhere.refused == "readers/ticket-elsewhere"
    assert await desk.readings() == await other.readings() == 0
    assert (await desk.read(ticket)).refused is None


async def test_more_than_was_asked_for_is_refused(desk: Desk) -> None:
    waiting = await desk.arm(fields=("name_th",))
    assert (await desk.read(waiting)).refused == "readers/payload-wrong"
    assert await desk.readings() == 0


async def test_whether_a_card_expires_is_not_told_where_that_was_not_asked(desk: Desk) -> None:
    waiting = await desk.arm(fields=("cid",))
    text = CardText(cid=SAMPLE.cid, no_expiry=True)
    assert (await desk.read(waiting, text=text)).refused == "readers/payload-wrong"
    assert await desk.incidents() == ["foreign"]


async def test_a_payload_that_was_swapped_is_refused(desk: Desk) -> None:
    waiting = await desk.arm()
    signed, _ = desk.state(waiting)
    _, another = desk.state(waiting)
    found = await desk.send(signed, another)
    assert isinstance(found, Receipt) and found.refused == "readers/payload-wrong"


@pytest.mark.parametrize("where", ["intent", "device", "kid"])
async def test_a_payload_sealed_for_something_else_does_not_open(desk: Desk, where: str) -> None:
    waiting = await desk.arm()
    text = msgspec.json.encode(SAMPLE)
    key = desk.sealing if where != "kid" else SealingKey("unknown", desk.sealing.public)
    of = uuid4() if where == "intent" else waiting.id
    device = uuid4() if where == "device" else desk.bridge
    wrong = messages.seal(key, text, "text", of, device)
    assert (await desk.read(waiting, payload=wrong)).refused == "readers/payload-wrong"


@pytest.mark.parametrize("said", [{"audience": "https://elsewhere"}, {"device": UUID(int=7)}])
async def test_what_was_said_to_another_server_or_by_another_device_counts_for_nothing(
    desk: Desk, said: dict[str, Any]
) -> None:
    with pytest.raises(BridgeUnknown):
        await desk.read(await desk.arm(), **said)
    assert desk.sequence == 0


async def test_a_statement_that_another_key_has_signed_counts_for_nothing(desk: Desk) -> None:
    own, desk.key = desk.key, Ed25519PrivateKey.generate()
    statement = desk.state(await desk.arm())
    with pytest.raises(BridgeUnknown):
        await desk.send(*statement)
    desk.key = own
    assert await desk.incidents() == []


async def test_no_bit_of_a_signed_statement_can_be_turned(desk: Desk) -> None:
    signed, payload = desk.state(await desk.arm())
    length = len(signed.body)
    for at in range(0, length, 5):
        body = bytearray(signed.body)
        body[at] ^= 1
        with pytest.raises(BridgeUnknown):
            await desk.send(Signed(bytes(body), signed.signature), payload)
    for at in range(0, 64, 3):
        signature = bytearray(signed.signature)
        signature[at] ^= 1
        with pytest.raises(BridgeUnknown):
            await desk.send(Signed(signed.body, bytes(signature)), payload)
    for end in (0, 1, length // 2, length - 1):
        with pytest.raises(BridgeUnknown):
            await desk.send(Signed(signed.body[:end], signed.signature), payload)
    assert await desk.value("select sequence from bridge where id = $1", desk.bridge) == 0
    assert await desk.incidents() == []
    found = await desk.send(signed, payload)
    assert isinstance(found, Receipt) and found.refused is None


@pytest.mark.parametrize("body", [b"", b"{}", b"[" * 10_000, b"\xff", b'{"sequence":"x"}'])
async def test_bytes_that_are_no_statement_count_for_nothing(desk: Desk, body: bytes) -> None:
    with pytest.raises(BridgeUnknown):
        await desk.send(Signed(body, bytes(64)), None)


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        ("arm", "update intent set state = 'cancelled', moved_at = now() where id = $1"),
        ("arm", "update session set ended_at = now(), end_reason = 'signed_out' where id = $2"),
        ("arm", "update account set status = 'suspended' where id = $3"),
        ("arm", "update intent set expires_at = armed_at where id = $1"),
        ("ticket", "update offline_ticket set used_at = now() where id = $1"),
    ],
)
async def test_what_ends_while_it_is_judged_takes_no_reading(
    desk: Desk, db: Database, monkeypatch: pytest.MonkeyPatch, kind: str, ends: str
) -> None:
    waiting = await (desk.arm() if kind == "arm" else desk.ticket())
    real = judging.new_reading

    async def late(*given: Any) -> Any:
        """Between the server's question and its answer."""
        new = await real(*given)
        async with db.begin(Worker("test")) as tx:
            await tx.run(
                f"with given as (select $1::uuid, $2::uuid, $3::uuid) {ends}",
                waiting.id,
                desk.session,
                desk.account,
            )
        return new

    keys = await desk.value("select count(*) from data_key")
    with monkeypatch.context() as patched:
        patched.setattr(judging, "new_reading", late)
        receipt = await desk.read(waiting)
    async with db.begin(Worker("test")) as tx:
        await tx.run(
            "update session set ended_at = null, end_reason = null where id = $1", desk.session
        )
        await tx.run("update account set status = 'active' where id = $1", desk.account)
    assert (receipt.reading, receipt.refused) == (None, "readers/intent-over")
    assert await desk.readings() == 0
    assert await desk.value("select count(*) from data_key") == keys
    assert (await desk.read(await desk.arm())).refused is None


async def test_a_reader_that_the_server_does_not_know_is_no_attack(desk: Desk) -> None:
    receipt = await desk.read(await desk.arm(), reader="Sample Reader of another day")
    assert receipt.refused == "readers/desk-without-reader"
    assert await desk.incidents() == []
