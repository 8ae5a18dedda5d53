"""A dump restored beside its original; tests/long restores it elsewhere and under a server."""

from __future__ import annotations

from api import cursors
from api.sync.model import Cursor
from tests.trials.fixtures import linux
from tests.trials.house import House, Server
from tests.trials.restores import beside, continues, sent_before
from tests.world import World

pytestmark = linux


async def test_no_phone_goes_on_with_its_cursor_after_a_dump_was_restored(
    house: House, server: Server
) -> None:
    phone, token, before = await sent_before(house, server)
    async with beside(house, phone) as (copy, restored):
        await continues(copy, restored, phone, token, before)
    await phone.close()


async def test_no_cursor_from_the_future_is_taken_for_one_of_ours(world: World) -> None:
    """As after a copy of the data folder was put back: what comes next would lie behind it."""
    page = (await world.inspector.get("/v1/sync")).json()
    mine = cursors.read(page["next"], Cursor)
    for xid, reset in ((mine.xid, False), (mine.xid + 1_000_000, True)):
        ahead = cursors.write(Cursor(mine.epoch, mine.scopes, xid, mine.seq))
        reply = await world.inspector.get("/v1/sync", params={"cursor": ahead})
        assert reply.json()["reset"] is reset
