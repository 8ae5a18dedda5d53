"""Fixtures of the trials."""

from tests.trials.fixtures import house, second, server

__all__ = ["house", "second", "server"]
