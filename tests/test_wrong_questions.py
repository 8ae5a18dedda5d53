"""A request that is asked wrongly gets its problem, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import re
from typing import Any
from uuid import uuid4

import pytest

from api import edge
from api.db import Database
from tests import described
from tests.world import World

QUESTIONS = [
    (re.sub(r"{\w+}", lambda _: str(uuid4()), path), parameter["name"])
    for path, methods in described.paths().items()
    for parameter in methods.get("get", {}).get("parameters", ())
    if parameter.get("in") == "query"
]


async def test_no_request_that_is_asked_wrongly_keeps_a_connection(
    world: World, db: Database
) -> None:
    people = (world.head, world.auditor, world.inspector, world.operator)
    wrong: list[Any] = []
    gc.disable()  # what only its collection would give back is kept, for as long as it pleases
    try:
        for path, name in QUESTIONS:
            for person in people:
                found = await person.get(path, params={name: "\u0e44\u0e21\u0e48\x01"})
                wrong.append(found.status_code)
        await asyncio.sleep(0.1)
        assert db.pool.get_idle_size() == db.pool.get_size()
    finally:
        gc.enable()
    assert wrong.count(400) > 50


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_no_route_has_anything_injected_that_could_fail_beside_the_transaction(method: str) -> None:
    with pytest.raises(TypeError, match="nothing but tx and asked"):
        getattr(edge, method)("/v1/sample", verb="visit.read", dependencies={"other": object()})
