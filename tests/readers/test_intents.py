"""Who may wait for a card, where, for what; and how waiting ends."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio

from api import ids
from api.accounts import seed as accounts
from api.db import Database, Tx
from api.permissions import Role, Session, Worker
from api.readers.bridges.queries import IN_REACH
from api.readers.intents import queries, service
from api.readers.model import INTENT_MOVES, IntentState, Purpose
from api.readers.problems import DeskNotFound
from api.readers.views import ArmIntent
from reader_bridge.fields import Fault
from reader_bridge.messages import Progress
from reader_bridge.texts import FAULT
from tests.inspection.orders import signed
from tests.readers.bridges import Bridge, Running, arm, screen
from tests.world import Person, World, do_jobs


@pytest_asyncio.fixture
async def bridge(world: World, db: Database) -> Bridge:
    return await Bridge.enrolled(db, world.inspector)


async def change(db: Database, sql: str, *args: object) -> None:
    async with db.begin(Worker("test")) as tx:
        await tx.run(sql, *args)


async def test_the_same_intent_sent_again_is_the_same_and_another_one_is_refused(
    world: World, bridge: Bridge
) -> None:
    id = ids.new()
    first = await arm(None, world, world.inspector, bridge, id=id)
    assert first.status_code == 200 and first.json()["state"] == "armed"
    assert first.json()["fields"] == ["cid", "name_th"]
    again = await arm(None, world, world.inspector, bridge, id=id)
    assert again.json() == first.json()
    for other in (
        {"photo": True},
        {"fields": ["cid"]},
        {"about": str(ids.new())},
        {"purpose": "confirm_officer", "about": str(ids.new())},
    ):
        found = await arm(None, world, world.inspector, bridge, id=id, **other)
        assert (found.status_code, found.json()["code"]) == (409, "readers/intent-exists"), other
    found = await arm(None, world, world["inspector-2"], bridge, id=id)
    assert found.status_code == 404
    await world.inspector.post(f"/v1/intents/{id}/cancel")
    again = await arm(None, world, world.inspector, bridge, id=id)
    assert again.status_code == 200 and again.json()["state"] == "cancelled"


async def test_no_nonce_can_be_guessed_from_another(
    world: World, bridge: Bridge, db: Database
) -> None:
    for _ in range(4):
        made = (await arm(None, world, world.inspector, bridge)).json()
        await world.inspector.post(f"/v1/intents/{made['id']}/cancel")
    async with db.read() as tx:
        nonces = await tx.values("select nonce from intent where bridge = $1", bridge.id)
    assert len(set(nonces)) == 4 and {len(nonce) for nonce in nonces} == {32}
    places = [{nonce[place] for nonce in nonces} for place in range(32)]
    assert sum(len(place) > 2 for place in places) > 25, "bytes that are the same in all"


async def test_what_was_delivered_stays_so_when_its_officer_signs_out(
    world: World, bridge: Bridge, db: Database
) -> None:
    made = (await arm(None, world, world.inspector, bridge)).json()
    id = UUID(made["id"])
    await change(db, "update intent set state = 'delivered' where id = $1", id)
    async with db.begin(Worker("test")) as tx:
        session = await tx.value("select session from intent where id = $1", id)
        assert id not in await queries.cancel_of_session(tx, session, tx.now)
        assert await tx.value("select state from intent where id = $1", id) == "delivered"


async def test_many_at_once_get_one_reader_once(world: World, bridge: Bridge) -> None:
    people = [world.inspector, world["inspector-2"], world.head] * 3
    found = await asyncio.gather(*(arm(None, world, person, bridge) for person in people))
    assert sorted(f.status_code for f in found) == [200] + [409] * 8
    assert {f.json()["code"] for f in found if f.status_code == 409} == {"readers/reader-busy"}


async def test_who_waits_already_is_not_told_that_it_is_somebody_else_and_can_begin_anew(
    world: World, bridge: Bridge
) -> None:
    first = (await arm(None, world, world.inspector, bridge)).json()
    busy = await arm(None, world, world.inspector, bridge)  # the page was loaded again
    assert busy.json()["code"] == "readers/reader-busy"
    assert "ผู้อื่น" not in busy.json()["title"]
    listed = (await world.inspector.get("/v1/intents")).json()["items"]
    waiting = [item["id"] for item in listed if item["state"] == "armed"]
    assert first["id"] in waiting
    await world.inspector.post(f"/v1/intents/{first['id']}/cancel")
    assert (await arm(None, world, world.inspector, bridge)).status_code == 200


async def test_one_id_sent_many_times_at_once_is_one_intent(world: World, bridge: Bridge) -> None:
    id = ids.new()
    found = await asyncio.gather(
        *(arm(None, world, world.inspector, bridge, id=id) for _ in range(8))
    )
    assert {f.status_code for f in found} == {200} and len({f.text for f in found}) == 1


async def test_a_desk_of_another_office_is_not_found(
    world: World, bridge: Bridge, db: Database
) -> None:
    assert (await arm(None, world, world["inspector-elsewhere"], bridge)).status_code == 404
    assert (await arm(None, world, world.inspector, bridge, desk=ids.new())).status_code == 404
    await change(db, "update desk set ended_at = now() where id = $1", bridge.desk)
    assert (await arm(None, world, world.inspector, bridge)).status_code == 404


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (
            "update desk set reader = null, mapped_at = null, mapped_by = null where id = $1",
            "unmapped",
        ),
        (
            """
            update bridge_reader set seen = false
            where id = (select reader from desk where id = $1)
            """,
            "away",
        ),
        (
            """
            update bridge set last_seen_at = now() - interval '4 minutes' where id =
                (select bridge from bridge_reader r join desk d on d.reader = r.id where d.id = $1)
            """,
            "offline",
        ),
        (
            """
            update bridge set state = 'revoked', ended_at = now() where id =
                (select bridge from bridge_reader r join desk d on d.reader = r.id where d.id = $1)
            """,
            "offline",
        ),
    ],
    ids=["unmapped", "away", "silent", "revoked"],
)
async def test_no_card_is_waited_for_where_none_can_be_read(
    world: World, bridge: Bridge, db: Database, sql: str, reason: str
) -> None:
    await change(db, sql, bridge.desk)
    found = await arm(None, world, world.inspector, bridge)
    assert found.status_code == 409
    assert (found.json()["code"], found.json()["reason"]) == (
        "readers/desk-without-reader",
        reason,
    )


async def test_an_officer_without_an_office_reaches_no_desk(db: Database, bridge: Bridge) -> None:
    nowhere = Session(ids.new(), ids.new(), frozenset({Role.inspector}), office=None)
    entry = ArmIntent(desk=bridge.desk, purpose=Purpose.identify_complainant)
    async with db.begin(nowhere) as tx:
        with pytest.raises(DeskNotFound):
            await service.arm(tx, ids.new(), entry)


async def test_a_purpose_reads_no_more_than_it_may(world: World, bridge: Bridge) -> None:
    refused = {
        "readers/fields-not-allowed": [
            {"fields": ["birth"]},
            {"fields": []},
            {"purpose": "map_desk", "bridge": str(bridge.id), "photo": True},
            {"purpose": "map_desk", "bridge": str(bridge.id), "fields": ["cid"]},
            {"bridge": str(bridge.id)},
        ],
        "readers/about-needed": [
            {"purpose": "serve_order"},
            {"purpose": "confirm_officer"},
            {"purpose": "map_desk"},
            {"purpose": "map_desk", "bridge": str(bridge.id), "about": str(ids.new())},
        ],
    }
    for code, entries in refused.items():
        for entry in entries:
            found = await arm(None, world, world.inspector, bridge, **entry)
            assert (found.status_code, found.json().get("code")) == (422, code), entry
    wanted = {"purpose": "serve_order", "about": (await signed(world))["id"]}
    found = await arm(None, world, world.inspector, bridge, **wanted)
    assert found.json()["fields"] == ["cid", "expires", "name_th"]


async def test_mapping_a_desk_waits_at_a_bridge_of_its_office_for_any_reader(
    world: World, bridge: Bridge, db: Database
) -> None:
    wanted = {"purpose": "map_desk", "bridge": str(bridge.id)}
    made = await arm(None, world, world.inspector, bridge, **wanted)
    assert made.status_code == 200, made.text
    found = made.json()
    assert found["reader"] is None and found["about"] == str(bridge.desk) and not found["fields"]
    busy = await arm(None, world, world.head, bridge, **wanted)
    assert busy.json()["code"] == "readers/reader-busy"
    other = await Bridge.enrolled(db, world["inspector-elsewhere"])
    foreign = {"purpose": "map_desk", "bridge": str(other.id)}
    assert (await arm(None, world, world.inspector, bridge, **foreign)).status_code == 404


async def test_an_intent_past_its_time_reads_as_expired_and_frees_its_reader(
    world: World, bridge: Bridge, db: Database
) -> None:
    made = (await arm(None, world, world.inspector, bridge)).json()
    path = f"/v1/intents/{made['id']}"
    await change(db, "update intent set expires_at = armed_at where id = $1", UUID(made["id"]))
    assert (await world.inspector.get(path)).json()["state"] == "expired"
    over = await world.inspector.post(f"{path}/cancel")
    assert (over.status_code, over.json()["state"]) == (409, "expired")
    assert (await arm(None, world, world["inspector-2"], bridge)).status_code == 200
    async with db.read() as tx:
        assert await tx.value("select state from intent where id = $1", UUID(made["id"])) == (
            "expired"
        )


async def test_whoever_signs_out_waits_for_nothing_and_blocks_nobody(
    world: World, bridge: Bridge, db: Database
) -> None:
    async with db.begin(Worker("test")) as tx:
        _, tokens = await accounts.sign_in(tx, "inspector")
    gone = Person(world.http, "inspector", world.inspector.account, tokens.access_token)
    made = (await arm(None, world, gone, bridge)).json()
    assert (await gone.post("/v1/session/end")).status_code == 204
    async with db.begin(Worker("test")) as tx:
        (told,) = await service.at_bridge(tx, bridge.id, [])
    assert told.state == "cancelled"  # before any job ran
    assert (await arm(None, world, world.head, bridge)).status_code == 200
    other = await Bridge.enrolled(db, world.inspector)
    async with db.begin(Worker("test")) as tx:
        _, tokens = await accounts.sign_in(tx, "inspector")
    gone = Person(world.http, "inspector", world.inspector.account, tokens.access_token)
    second = (await arm(None, world, gone, other)).json()
    await gone.post("/v1/session/end")
    await do_jobs(db)
    async with db.read() as tx:
        states = await tx.values(
            "select state from intent where id = any($1::uuid[])",
            [UUID(made["id"]), UUID(second["id"])],
        )
    assert states == ["cancelled", "cancelled"]


async def test_an_intent_is_its_sessions_own(world: World, bridge: Bridge) -> None:
    made = (await arm(None, world, world.inspector, bridge)).json()
    path = f"/v1/intents/{made['id']}"
    for person in (world["inspector-2"], world.head, world.department):
        assert (await person.get(path)).status_code == 404
        assert (await person.post(f"{path}/cancel")).status_code == 404
        listed = (await person.get("/v1/intents")).json()["items"]
        assert made["id"] not in {item["id"] for item in listed}
    first = (await world.inspector.get("/v1/intents", params={"limit": 1})).json()
    assert first["items"][0]["id"] == made["id"] and first["next"]
    after = await world.inspector.get("/v1/intents", params={"cursor": first["next"]})
    assert made["id"] not in {item["id"] for item in after.json()["items"]}
    for _ in range(2):
        assert (await world.inspector.post(f"{path}/cancel")).json()["state"] == "cancelled"


@pytest.mark.parametrize("verb", sorted({verb for verb, _ in INTENT_MOVES}))
@pytest.mark.parametrize("state", list(IntentState))
async def test_an_intent_moves_only_as_its_table_says(
    world: World, bridge: Bridge, db: Database, verb: str, state: IntentState
) -> None:
    made = (await arm(None, world, world.inspector, bridge)).json()
    id = UUID(made["id"])
    await change(db, "update intent set state = $2 where id = $1", id, state)
    if verb == "cancel":
        await world.inspector.post(f"/v1/intents/{id}/cancel")
    elif verb == "expire":
        await change(db, "update intent set expires_at = armed_at where id = $1", id)
        async with db.begin(Worker("test")) as tx:
            await service.expire(tx)
    else:
        async with db.begin(Worker("test")) as tx:
            await queries.move(tx, id, IntentState.delivered, tx.now)
    async with db.read() as tx:
        found = await tx.value("select state from intent where id = $1", id)
    assert found == INTENT_MOVES.get((verb, state), state)


async def test_progress_is_of_the_bridges_own_open_intent_alone(
    world: World, bridge: Bridge, db: Database
) -> None:
    made = (await arm(None, world, world.inspector, bridge, photo=True)).json()
    id = UUID(made["id"])
    other = await Bridge.enrolled(db, world.inspector)

    async def say(of: UUID, **said: object) -> queries.Moved | None:
        async with db.begin(Worker("test")) as tx:
            return await service.progress(tx, of, Progress(id, **said))  # type: ignore[arg-type]

    assert await say(other.id, step="reading") is None
    moved = await say(bridge.id, step="reading")
    assert moved is not None and moved.version == 2
    assert await say(bridge.id, step="reading") is None  # nothing new, nothing written
    await say(bridge.id, step="waiting", fault=Fault.card_removed)
    found = (await world.inspector.get(f"/v1/intents/{id}")).json()
    assert (found["fault"], found["state"], found["version"]) == ("card-removed", "armed", 3)
    await change(db, "update intent set state = 'delivered', moved_at = now() where id = $1", id)
    assert await say(bridge.id, step="waiting") is None
    assert await say(bridge.id, step="photo", done=2000, total=5118)
    assert await say(bridge.id, step="photo", done=1000, total=5118) is None
    later = "update intent set moved_at = now() - interval '2 minutes' where id = $1"
    await change(db, later, id)
    assert await say(bridge.id, step="photo", done=5118, total=5118) is None


async def test_a_poll_waits_for_the_next_version_and_no_longer_than_asked(
    one: Running, world: World, bridge: Bridge
) -> None:
    made = (await arm(one, world, world.inspector, bridge)).json()
    async with one.http() as http:
        headers = {"Authorization": f"Bearer {world.inspector.token}"}
        path = f"/v1/intents/{made['id']}"
        started = time.monotonic()
        same = await http.get(path, headers=headers, params={"after_version": 1, "wait_s": 1})
        assert same.json() == made and 0.9 < time.monotonic() - started < 3
        waiting = asyncio.create_task(
            http.get(path, headers=headers, params={"after_version": 1, "wait_s": 20})
        )
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await http.post(f"{path}/cancel", headers=headers)
        assert (await asyncio.wait_for(waiting, 2)).json()["state"] == "cancelled"
        too_long = await http.get(path, headers=headers, params={"wait_s": 26})
        assert too_long.status_code == 422


async def test_a_stream_begins_with_what_is_open_and_tells_nothing_twice(
    one: Running, world: World, bridge: Bridge, db: Database
) -> None:
    async with db.begin(Worker("test")) as tx:
        _, tokens = await accounts.sign_in(tx, "inspector")
    officer = Person(world.http, "inspector", world.inspector.account, tokens.access_token)
    made = (await arm(one, world, officer, bridge)).json()
    async with screen(one, officer) as seen:
        assert (await seen.next()) == ("intent", made)
        one.hub.moved(bridge.id, None)
        other = await Bridge.enrolled(db, officer)
        second = (await arm(one, world, officer, other)).json()
        assert (await seen.next())[1]["id"] == second["id"]


async def test_every_fault_has_words_and_every_purpose_a_row_can_hold(tx: Tx) -> None:
    assert set(FAULT) == set(Fault)
    held = await tx.value(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = 'intent_purpose_check'"
    )
    assert all(f"'{purpose}'" in held for purpose in Purpose)
    assert timedelta(minutes=1) < IN_REACH
