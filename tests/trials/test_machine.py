"""The state machine of two phones in a few short runs; tests/long has many and longer ones."""

from __future__ import annotations

import pytest_asyncio
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.trials import scenes
from tests.trials.fixtures import linux
from tests.trials.house import House, Server
from tests.trials.machine import machine

pytestmark = linux


@pytest_asyncio.fixture(loop_scope="session")
async def people(house: House, server: Server) -> dict[str, tuple[str, str]]:
    return {key: await house.sign_in(key) for key in ("head", *scenes.INSPECTORS)}


@pytest_asyncio.fixture(loop_scope="session")
async def premises(house: House) -> str:
    return await scenes.premises(house)


def test_no_mix_of_pushes_lost_answers_replays_and_pulls_loses_or_doubles_anything(
    server: Server, people: dict[str, tuple[str, str]], premises: str
) -> None:
    run_state_machine_as_test(
        machine(server, people, premises),
        settings=settings(
            max_examples=10,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert not server.faults(), server.faults()[:1]
