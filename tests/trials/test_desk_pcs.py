"""Servers and PostgreSQL are killed under desk PCs: no card may be lost, none counted twice."""

from __future__ import annotations

from tests.trials import desk_pcs
from tests.trials.fixtures import linux
from tests.trials.house import House, Server

pytestmark = linux


async def test_no_card_is_lost_or_counted_twice_while_servers_are_killed_under_sixty_pcs(
    house: House, server: Server, second: Server
) -> None:
    both = [server, second]
    harms = [
        desk_pcs.killed(server),
        desk_pcs.without_postgres(house),
        desk_pcs.restarted(second),
    ]
    print(await desk_pcs.trial(house, both, 60, 3, harms))
