"""What may be used, by whom, how long; and what is told of a reading that should not be trusted."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from api import ids, worker
from api.accounts.samples import BY_KEY
from api.db import Database, Tx
from api.permissions import Worker
from api.readers.bridges import freezing
from api.readers.model import POLICIES, Purpose
from api.readers.problems import PhotoGone, ReadingForOther, ReadingStale, ReadingUsed
from api.readers.readings import listing_queries, service, tickets, using
from api.readers.views import MatchFace, SeeDocument, SeenDocument
from api.settings import Settings
from reader_bridge.fields import CardText, Name, PartialDate
from reader_bridge.messages import Receipt
from tests.complaints.conftest import told
from tests.readers.bridges import Running, running
from tests.readers.device import Desk, at_desk
from tests.world import World, encode

NAME = Name(prefix="นาย", first="ตัวอย่าง", last="หน้าเคาน์เตอร์")


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> Desk:
    return await at_desk(db, world)


async def taken(desk: Desk, text: CardText | None = None, **how: Any) -> UUID:
    said = {} if text is None else {"text": text}
    found = (await desk.read(await desk.arm(**how), **said)).reading
    assert found is not None
    return found


async def used(desk: Desk, reading: UUID, **other: Any) -> using.Used:
    wanted = {"about": None, "used_for": "complaint", "by": ids.new()} | other
    assert desk.actor is not None
    async with desk.db.begin(desk.actor) as tx:
        return await using.use(tx, reading, Purpose.identify_complainant, **wanted)


async def earlier(desk: Desk, reading: UUID, ago: timedelta) -> None:
    """As if it had come so long ago."""
    async with desk.db.begin(Worker("test")) as tx:
        await tx.run(
            """
            update reading set received_at = received_at - $2::interval,
                passing_until = passing_until - $2::interval where id = $1
            """,
            reading,
            ago,
        )
        await service.queries.wipe(tx)


def seen(
    desk: Desk, purpose: Purpose = Purpose.identify_complainant, **document: Any
) -> SeeDocument:
    said = {"kind": "passport", "why": "foreigner", "name": "SAMPLE PERSON", "number": "AA0000000"}
    return SeeDocument(
        desk=desk.desk, purpose=purpose, document=SeenDocument(**said | document), about=None
    )


# --- how long -----------------------------------------------------------------------------------


async def test_what_was_read_without_the_server_is_not_lost_to_an_officer_who_went_home(
    desk: Desk,
) -> None:
    late, too_late = [(await desk.read(await desk.ticket())).reading for _ in range(2)]
    assert late is not None and too_late is not None
    await earlier(desk, late, timedelta(days=5))  # the line came back on a Friday night
    await earlier(desk, too_late, timedelta(days=8))
    assert (await used(desk, late)).label == "offline"
    with pytest.raises(ReadingStale):
        await used(desk, too_late)


@pytest.mark.parametrize("purpose", list(Purpose))
async def test_each_purpose_keeps_a_reading_for_its_own_time_and_the_worker_ends_it(
    desk: Desk, purpose: Purpose
) -> None:
    waiting = await desk.arm(purpose, about=desk.desk)
    signed, payload = desk.state(waiting, purpose=purpose)
    if purpose is Purpose.map_desk:
        nothing = {"payload_sha256": b"", "chip_serial": b"", "atr": b""}
        signed, payload = desk.state(waiting, purpose=purpose, **nothing)[0], None
    receipt = await desk.send(signed, payload)
    assert isinstance(receipt, Receipt) and receipt.reading is not None, receipt
    kept = "select keep_until - received_at from reading where id = $1"
    assert await desk.value(kept, receipt.reading) == POLICIES[purpose].keep
    over = "select erased_at is not null from reading where id = $1"
    for gone in (False, True):
        await worker.erase_readings(desk.db)
        assert await desk.value(over, receipt.reading) is gone
        async with desk.db.begin(Worker("test")) as tx:
            await tx.run("update reading set keep_until = now() where id = $1", receipt.reading)


async def test_the_worker_ends_every_reading_that_is_due_however_many_there_are(
    desk: Desk, conf: Settings
) -> None:
    owner = await asyncpg.connect(conf.database_url)
    try:
        await owner.execute(
            """
            insert into reading (id, label, purpose, levels, session, account, office, read_at,
                received_at, keep_until)
            select uuidv7(), 'seen', 'identify_complainant', '{document-seen}', $1, $2, $3,
                now() - interval '2 years', now() - interval '2 years', now() - interval '1 year'
            from generate_series(1, 1100)
            """,
            *(desk.session, desk.account, desk.office),
        )
        await worker.erase_readings(desk.db)
        due = "select count(*) from reading where erased_at is null and keep_until <= now()"
        assert await owner.fetchval(due) == 0
    finally:
        await owner.close()


# --- once ---------------------------------------------------------------------------------------


async def test_an_act_that_is_undone_gives_its_reading_back_with_all_that_was_read(
    desk: Desk,
) -> None:
    reading = await taken(desk)
    assert desk.actor is not None

    async def undone(tx: Tx) -> None:
        wanted = {"about": None, "used_for": "complaint", "by": ids.new()}
        await using.use(tx, reading, Purpose.identify_complainant, **wanted)  # type: ignore[arg-type]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with desk.db.begin(desk.actor) as tx:
            await undone(tx)
    told = "select count(*) from event where record = $1 and name = 'reading.used'"
    assert await desk.value(told, reading) == 0
    assert (await used(desk, reading)).number == "1999900000019"


async def test_at_two_servers_at_once_a_reading_serves_one_of_many_complaints(
    desk: Desk, world: World, conf: Settings, db: Database
) -> None:
    reading = await taken(desk)
    await world.inspector.keep_signed_in()
    headers = {"Authorization": f"Bearer {world.inspector.token}"}
    async with running(conf, db) as one, running(conf, db) as two:

        async def tell(at: Running) -> str:
            body = encode(told(channel="desk", reading=reading))
            async with httpx.AsyncClient(base_url=at.url, timeout=30) as http:
                found = await http.put(f"/v1/complaints/{ids.new()}", content=body, headers=headers)
            return str(found.json().get("code")) if found.status_code == 409 else "taken"

        found = Counter(await asyncio.gather(*(tell(at) for at in (one, two) * 6)))
    assert found == {"taken": 1, "readers/reading-used": 11}


async def test_of_two_purposes_at_once_the_one_it_was_not_read_for_never_gets_it(
    desk: Desk,
) -> None:
    reading = await taken(desk)

    async def serve_order() -> str:
        assert desk.actor is not None
        try:
            async with desk.db.begin(desk.actor) as tx:
                await using.use(
                    tx,
                    reading,
                    Purpose.serve_order,
                    about=uuid4(),
                    used_for="service_attempt",
                    by=ids.new(),
                )
        except (ReadingForOther, ReadingUsed) as problem:
            return problem.code
        return "served"

    acts = [serve_order() if n % 2 else used(desk, reading) for n in range(10)]
    found = await asyncio.gather(*acts, return_exceptions=True)
    assert sum(isinstance(f, using.Used) for f in found) == 1 and "served" not in found
    assert await desk.value("select used_for from reading where id = $1", reading) == "complaint"


# --- what should not be trusted is told -----------------------------------------------------------


@pytest.mark.parametrize("state", ["frozen", "revoked"])
async def test_a_device_that_was_stopped_since_is_told_of_what_it_read(
    desk: Desk, state: str
) -> None:
    reading = await taken(desk)
    async with desk.db.begin(Worker("test")) as tx:
        if state == "frozen":
            await freezing.freeze(tx, desk.bridge, "fork", {})
        else:
            await tx.run(
                "update bridge set state = 'revoked', ended_at = $2 where id = $1",
                desk.bridge,
                tx.now,
            )
    assert f"device:{state}" in (await used(desk, reading)).flags
    assert f"device:{state}" in await desk.value("select flags from reading where id = $1", reading)


async def test_an_officers_own_card_in_the_reader_is_told(desk: Desk) -> None:
    own = CardText(cid=BY_KEY["inspector"].cid, name_th=NAME)
    assert "card:own" in (await used(desk, await taken(desk, own))).flags
    other = CardText(cid=BY_KEY["inspector-2"].cid, name_th=NAME)
    assert "card:own" not in (await used(desk, await taken(desk, other))).flags
    no_cid = CardText(cid="00", name_th=NAME)  # what a blank chip may say
    assert "card:own" not in (await used(desk, await taken(desk, no_cid))).flags


@pytest.mark.parametrize(("year", "expired"), [(2569, False), (2018, True)])
async def test_whether_a_card_has_expired_does_not_hang_on_the_clock_of_the_pc(
    desk: Desk, year: int, expired: bool
) -> None:
    wrong = datetime.now(UTC).replace(year=year, day=1)
    ends = PartialDate(2020 if expired else 2400)
    text = CardText(cid="1999900000019", name_th=NAME, expires=ends)
    waiting = await desk.arm(fields=("cid", "name_th", "expires"))
    receipt = await desk.read(waiting, text=text, read_at=wrong, inserted_at=wrong)
    flags = await desk.value("select flags from reading where id = $1", receipt.reading)
    assert ("card:expired" in flags) is expired and "clock:read_at" in flags


# --- documents that were seen ---------------------------------------------------------------------


async def see(desk: Desk, wanted: SeeDocument) -> UUID:
    id = ids.new()
    assert desk.actor is not None
    async with desk.db.begin(desk.actor) as tx:
        await service.see_document(tx, id, wanted)
    return id


@pytest.mark.parametrize(
    "purpose", [Purpose.bind_account, Purpose.confirm_officer, Purpose.map_desk]
)
async def test_no_document_is_kept_for_a_purpose_that_only_a_chip_serves(
    desk: Desk, purpose: Purpose, world: World
) -> None:
    wanted, id = seen(desk, purpose), ids.new()
    wanted.about = desk.desk
    refused = await world.inspector.put(f"/v1/readings/{id}", content=encode(wanted))
    assert (refused.status_code, refused.json()["code"]) == (422, "readers/chip-needed")
    assert await desk.value("select count(*) from reading where id = $1", id) == 0


@pytest.mark.parametrize("kind", ["birth_certificate", "house_register"])
async def test_no_face_is_compared_with_a_document_that_shows_none(desk: Desk, kind: str) -> None:
    id = await see(desk, seen(desk, kind=kind, why="minor"))
    assert desk.actor is not None
    with pytest.raises(PhotoGone):
        async with desk.db.begin(desk.actor) as tx:
            await service.match_face(tx, id, MatchFace(matches=True, against="printed"))
    passport = await see(desk, seen(desk))
    async with desk.db.begin(desk.actor) as tx:
        await service.match_face(tx, passport, MatchFace(matches=True, against="printed"))


async def person_of(world: World, reading: UUID, **contact: str) -> Any:
    id = ids.new()
    said = told(channel="desk", reading=reading, contact=contact)
    found = await world.inspector.put(f"/v1/complaints/{id}", content=encode(said))
    assert found.status_code == 200, found.text
    async with world.db.read() as tx:
        return await tx.value("select person from complainant where complaint = $1", id)


async def test_who_shows_a_document_is_told_from_others_by_what_is_theirs_alone(
    desk: Desk, world: World
) -> None:
    async def by(**document: str) -> Any:
        return await person_of(world, await see(desk, seen(desk, **document)))

    chip = await person_of(world, await taken(desk))
    typed = {"kind": "national_id", "why": "unreadable", "number": "1-9999-00000-01-9"}
    assert await by(**typed) == chip
    register = {"kind": "house_register", "why": "minor", "number": "12345678901"}
    assert await by(**register) is None  # a whole family has that number
    one = await by(number="AA0000000", issued_by="Sampleland")
    assert one == await by(number="aa 0000000", issued_by="Sampleland")
    assert one != await by(number="AA0000000", issued_by="Elsewhere")


async def test_a_document_number_is_not_kept_as_a_national_id(desk: Desk) -> None:
    passport = await see(desk, seen(desk))
    card = await see(desk, seen(desk, kind="national_id", why="unreadable", number="1999900000019"))
    held = "select num_nonnulls(cid, cid_index) from reading where id = $1"
    assert [await desk.value(held, id) for id in (passport, card)] == [0, 2]


async def test_a_mistyped_national_id_is_told_as_one_that_a_chip_gives(desk: Desk) -> None:
    flags = "select flags from reading where id = $1"
    for number, odd in (("1999900005008", True), ("1-9999-00005-00-7", False), ("12", True)):
        id = await see(desk, seen(desk, kind="national_id", why="unreadable", number=number))
        assert (await desk.value(flags, id) == ["cid:check-digit"]) is odd
    assert await desk.value(flags, await see(desk, seen(desk))) == []


async def test_the_list_has_what_came_last_first_whatever_ids_their_senders_gave(
    desk: Desk, world: World
) -> None:
    made = []
    for id in (
        UUID(int=2**128 - 1 - ids.new().int % 1000),
        ids.new(),
        UUID(int=ids.new().int >> 8),
    ):
        found = await world.inspector.put(f"/v1/readings/{id}", content=encode(seen(desk)))
        assert found.status_code == 200, found.text
        made.insert(0, str(id))
    listed, cursor = [], None
    for _ in range(3):
        params = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await world.inspector.get("/v1/readings", params=params)).json()
        listed += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert listed == made


async def test_a_list_of_a_session_does_not_look_through_years_of_other_sessions(
    desk: Desk, conf: Settings
) -> None:
    owner = await asyncpg.connect(conf.database_url)
    try:
        other = await owner.fetchval("select id from session where id <> $1", desk.session)
        await owner.execute(
            """
            insert into reading (id, label, purpose, levels, session, account, office, desk, bridge,
                reader, read_at, received_at, keep_until)
            select uuidv7(), 'online', 'identify_complainant', '{chip-bytes}', $1, $2, $3, $4, $5,
                $6, now() - n * interval '1 minute', now() - n * interval '1 minute', 'infinity'
            from generate_series(1, 20000) n
            """,
            *(other, desk.account, desk.office, desk.desk, desk.bridge, desk.reader),
        )
        await owner.execute("analyze reading")
        asked = _Asked()
        await listing_queries.mine(asked, desk.account, desk.session, None, None, 50)  # type: ignore[arg-type]
        plan = await owner.fetchval("explain (analyze, format json) " + asked.sql, *asked.args)
        assert _thrown_away(json.loads(plan)[0]["Plan"]) < 5000
    finally:
        await owner.close()


class _Asked:
    """Keeps a statement instead of running it."""

    async def values(self, sql: str, *args: Any) -> list[Any]:
        self.sql, self.args = sql, args
        return []

    async def all(self, *_: Any) -> list[Any]:
        return []


def _thrown_away(plan: dict[str, Any]) -> int:
    """Rows that were fetched for nothing, in this node and below."""
    own = int(plan.get("Rows Removed by Filter", 0)) * int(plan.get("Actual Loops", 1))
    return own + sum(_thrown_away(below) for below in plan.get("Plans", ()))


# --- tickets --------------------------------------------------------------------------------------


async def test_a_ticket_of_an_officer_who_was_moved_or_has_left_is_not_given_to_the_device(
    desk: Desk,
) -> None:
    ticket = await desk.ticket()

    async def given() -> list[UUID]:
        async with desk.db.begin(Worker("test")) as tx:
            return [t.id for t in await tickets.unused(tx, desk.bridge)]

    async def moved(sql: str, *args: Any) -> None:
        async with desk.db.begin(Worker("test")) as tx:
            await tx.run(sql, desk.account, *args)

    assert await given() == [ticket.id]
    other = await desk.value("select id from office where id <> $1 limit 1", desk.office)
    back = "update account set office = $2 where id = $1"
    await moved(back, other)
    try:
        assert await given() == []
    finally:
        await moved(back, desk.office)
    role = "update account_role set ended_at = {} where account = $1"
    await moved(role.format("now()"))
    try:
        assert await given() == []
    finally:
        await moved(role.format("null"))
    assert await given() == [ticket.id]
