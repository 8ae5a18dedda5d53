"""One complaint over Songkran and a special holiday: asked twice, reopened twice, never late.

Days of Bangkok in 2027: 10, 11, 17, 18, 24 and 25 April are weekends, 13 to 15 April Songkran, and
cabinet has declared the 16th.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from api import clock, deadlines, ids, reactions
from api.accounts import seed as accounts
from api.clock import BANGKOK
from api.complaints import clocks
from api.complaints.clocks import Kind
from api.permissions import Worker
from tests.complaints.conftest import by_code, do, secret, tell
from tests.complaints.states import stored_clocks
from tests.world import Person, World, encode, now

OFFICERS = ("head", "inspector")


def bangkok(day: int, hour: float = 24, month: int = 4) -> datetime:
    midnight = datetime.combine(date(2027, month, day), datetime.min.time(), BANGKOK)
    return midnight + timedelta(hours=hour)


@pytest.fixture
def tokens(world: World) -> Iterator[None]:
    before = {key: world[key].token for key in OFFICERS}
    yield
    for key, token in before.items():
        world[key].token = token


async def pass_until(world: World, since: datetime, until: datetime) -> None:
    """The worker fires what comes due, every six hours."""
    while since < until:
        since = min(since + timedelta(hours=6), until)
        with clock.travel(since - now()):
            while await deadlines.fire_due(world.db, reactions.DEADLINES):
                pass


class Days:
    """Moments of a story in their order, with all that the worker does between them."""

    def __init__(self, world: World) -> None:
        self.world, self.last = world, bangkok(8, 23.5)

    @contextlib.asynccontextmanager
    async def __call__(self, day: int, hour: float, month: int = 4) -> AsyncIterator[None]:
        moment = bangkok(day, hour, month)
        await pass_until(self.world, self.last, moment)
        self.last = moment
        with clock.travel(moment - now()):
            for key in OFFICERS:
                async with self.world.db.begin(Worker("test")) as tx:
                    _, issued = await accounts.sign_in(tx, key)
                self.world[key].token = issued.access_token
            yield


async def due(world: World, id: UUID, kind: Kind) -> datetime:
    """The minute at which the one clock of that kind is due; its deadline is where clocks say."""
    running = await stored_clocks(world, id)
    async with world.db.read() as tx:
        point = await tx.value(
            "select due_at from deadline where kind = 'complaint.clock' and record = $1 "
            "and met_at is null and fired_at is null",
            id,
        )
        paused = await tx.value("select paused_at is not null from complaint where id = $1", id)
    assert point == (None if paused else clocks.next_point(running))
    (found,) = [each for each in running if each.kind is kind]
    return (found.due_at + timedelta(seconds=30)).replace(second=0, microsecond=0)


async def asked(world: World, id: UUID) -> None:
    done = await do(world.inspector, id, "ask", {"id": ids.new(), "text": "เวลาใด"})
    assert done.status_code == 200, done.text
    assert done.json()["next_due"] is None


async def sent(me: Person, id: UUID, what: str, **body: Any) -> dict[str, Any]:
    path = f"/v1/own-complaints/{id}/{what}/{ids.new()}"
    answer = await me.put(path, content=encode(body))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def taken_up(world: World, id: UUID, *verbs: str) -> None:
    bodies = {"assign": {"officer": world.inspector.account}}
    for verb in verbs:
        who = world.inspector if verb == "begin" else world.head
        done = await do(who, id, verb, bodies.get(verb))
        assert done.status_code == 200, done.text


async def resolved(world: World, id: UUID) -> None:
    body = {"outcome": "substantiated", "text": "พบตามร้อง"}
    done = await do(world.inspector, id, "resolve", body)
    assert done.status_code == 200, done.text
    assert not [each for each in done.json()["clocks"] if each["overdue"]]
    assert all(each["met_at"] for each in done.json()["clocks"])


async def test_over_songkran_asked_twice_and_reopened_twice_an_office_has_all_its_time(
    world: World, tokens: None
) -> None:
    async with world.db.begin(Worker("test")) as tx:
        await tx.run(
            "insert into special_day (day, working, name_th) values ('2027-04-16', false, 'ตัวอย่าง')"
        )
        await tx.run(
            """
            update complaint_category set content = content
                || '{"clocks": {"normal": {"resolve": {"working_days": 5}}}}'
            where code = 'odour'
            """
        )
    id, code, at = ids.new(), secret(), Days(world)
    me = by_code(world, code)
    async with at(8, 23.5):
        assert (await tell(world.nobody, id, secret=code)).status_code == 200
    assert await due(world, id, Kind.acknowledge) == bangkok(9)
    assert await due(world, id, Kind.first_action) == bangkok(19)  # 9, 12, 19
    assert await due(world, id, Kind.resolve) == bangkok(21)  # 9, 12, 19, 20, 21
    async with at(9, 15):
        await taken_up(world, id, "accept", "assign", "begin")
        await asked(world, id)  # four are left: 12, 19, 20, 21
    async with at(17, 9):
        assert (await sent(me, id, "answers", text="ทุกคืน"))["status"] == "in_progress"
    assert await due(world, id, Kind.resolve) == bangkok(22)  # 19, 20, 21, 22
    async with at(20, 11):
        await sent(me, id, "occurrences")
        await taken_up(world, id, "assign")
        assert await due(world, id, Kind.resolve) == bangkok(22)
        await asked(world, id)  # two are left: 21, 22
    async with at(26, 8):
        await sent(me, id, "answers", text="ตีสอง")
    assert await due(world, id, Kind.resolve) == bangkok(28)  # 27, 28
    async with at(28, 23.9):
        await resolved(world, id)
    async with at(30, 10):
        assert (await sent(me, id, "ratings", solved=False))["status"] == "in_progress"
    assert await due(world, id, Kind.answer_reopened) == bangkok(7, 10, 5)
    async with at(3, 10, 5):
        await taken_up(world, id, "assign", "begin")
        await asked(world, id)
    async with at(5, 10, 5):
        await sent(me, id, "answers", text="เหมือนเดิม")
    assert await due(world, id, Kind.answer_reopened) == bangkok(9, 10, 5)
    async with at(9, 9.9, 5):
        await resolved(world, id)
    async with at(20, 12, 5):
        assert (await sent(me, id, "reopenings", text="ยังเหม็น"))["status"] == "in_progress"
    assert await due(world, id, Kind.answer_reopened) == bangkok(27, 12, 5)
    async with at(27, 11.9, 5):
        await taken_up(world, id, "assign", "begin")
        await resolved(world, id)
    async with at(12, 12, 6):  # closed by itself, and nothing speaks any more
        assert (await me.get(f"/v1/own-complaints/{id}")).json()["status"] == "finished"
    async with world.db.read() as tx:
        said = await tx.values(
            """
            select concat_ws(' ', name, facts->>'clock', facts->>'due_at') from event
            where record = $1 and name like 'complaint.clock%' order by id
            """,
            id,
        )
        assert await tx.value("select state from complaint where id = $1", id) == "closed"
    assert not [each for each in said if "overdue" in each], said
    assert sum("answer_reopened" in each for each in said) == 4, said  # two each time
    assert len([each for each in said if " resolve " in each]) <= 2, said
