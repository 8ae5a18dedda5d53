"""Two phones and one visit: the order of arrival decides nothing. tests/long has every order."""

from __future__ import annotations

from itertools import permutations

from tests.trials import orders
from tests.world import World


async def test_no_order_of_arrival_changes_the_answers_or_the_findings(world: World) -> None:
    """Every order of four, with the conflict's settlement; every eighth of the whole story."""
    for names, stride in (
        (("a1", "a2", "b1", "settle"), 1),
        (("a1", "a2", "b1", "b2", "settle", "submit"), 48),
    ):
        first = None
        for order in list(permutations(names))[::stride]:
            seen, _ = await orders.play(world, order)
            first = first or seen
            assert seen == first, f"another outcome in the order {order}"
