"""The state machine of two phones, longer runs and other ones each time."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.trials.fixtures import linux
from tests.trials.house import Server
from tests.trials.machine import machine

pytestmark = [pytest.mark.long, linux]


def test_no_long_mix_of_pushes_lost_answers_replays_and_pulls_loses_or_doubles_anything(
    server: Server, people: dict[str, tuple[str, str]], premises: str
) -> None:
    run_state_machine_as_test(
        machine(server, people, premises),
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert not server.faults(), server.faults()[:1]
