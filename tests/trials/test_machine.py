"""The state machine of two phones in a few short runs; tests/long has many and longer ones."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.trials.fixtures import linux
from tests.trials.house import Server
from tests.trials.machine import machine

pytestmark = linux


def test_no_mix_of_pushes_lost_answers_replays_and_pulls_loses_or_doubles_anything(
    server: Server, people: dict[str, tuple[str, str]], premises: str
) -> None:
    run_state_machine_as_test(
        machine(server, people, premises),
        settings=settings(
            max_examples=6,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert not server.faults(), server.faults()[:1]
