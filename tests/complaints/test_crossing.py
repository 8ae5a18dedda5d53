"""Ids are their senders' to choose; whatever they choose, nobody waits for nobody."""

from __future__ import annotations

import asyncio

from api import ids
from tests.complaints.conftest import by_code, secret, tell
from tests.world import World, encode


async def test_entries_with_the_ids_of_each_others_complaints_at_once_do_not_deadlock(
    world: World,
) -> None:
    known = [(ids.new(), secret()) for _ in range(2)]
    for id, code in known:
        assert (await tell(world.nobody, id, secret=code)).status_code == 200
    (a, code_a), (b, code_b) = known
    mine, theirs = by_code(world, code_a), by_code(world, code_b)
    for _ in range(4):
        said = [
            (mine, f"/v1/own-complaints/{a}/additions/{b}"),
            (theirs, f"/v1/own-complaints/{b}/additions/{a}"),
        ] * 5
        answers = await asyncio.gather(
            *(person.put(path, content=encode({"text": "x"})) for person, path in said)
        )
        assert {answer.status_code for answer in answers} == {200}
