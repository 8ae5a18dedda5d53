"""Fixtures of the trials."""

from tests.trials.fixtures import house, people, premises, second, server

__all__ = ["house", "people", "premises", "second", "server"]
