"""Every order of a whole visit's operations."""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.trials import orders
from tests.world import World

pytestmark = pytest.mark.long


async def test_none_of_the_720_orders_of_arrival_changes_the_answers_or_the_findings(
    world: World,
) -> None:
    names = ("a1", "a2", "b1", "b2", "settle", "submit")
    first, rejected = None, 0
    for order in permutations(names):
        seen, refused = await orders.play(world, order)
        first, rejected = first or seen, rejected + sum(refused.values())
        assert seen == first, f"another outcome in the order {order}"
    print(f"720 orders, {rejected} operations came too early and were sent again")
