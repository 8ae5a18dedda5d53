"""The same as tests/trials/test_desk_pcs.py, with a thousand."""

from __future__ import annotations

import pytest

from tests.trials import desk_pcs
from tests.trials.fixtures import linux
from tests.trials.house import House, Server

pytestmark = [pytest.mark.long, linux]


async def test_no_card_is_lost_or_counted_twice_while_servers_are_killed_under_a_thousand_pcs(
    house: House, server: Server, second: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_pcs, "LONGEST_S", 10.0)
    both = [server, second]
    harms = [
        desk_pcs.killed(server),
        desk_pcs.killed(second),
        desk_pcs.without_postgres(house),
        desk_pcs.restarted(server),
    ]
    print(await desk_pcs.trial(house, both, 1000, 4, harms))
