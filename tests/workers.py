"""How `make test` spreads over the cores: so many workers, what stays together, what goes first.

Each worker is a process with fixtures of its own: its PostgreSQL, template, keyring and folders.
Files stay whole, so that what a module sets up is set up once. `pytest` without `-n` runs all of it
in one process; so does `make test ARGS=…` that names a file, a test or `-k`.
"""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

MOST = 6
TOGETHER = ("tests/trials/", "tests/long/")
"""Folders whose files share one installation with servers, and bear no second one beside it."""
FIRST = (
    "tests/test_schemathesis.py",
    "tests/trials/",
    "tests/test_every_route.py",
    "tests/inspection/test_orders.py",
)
"""What takes longest: begun last, it would keep one worker busy while the others have nothing."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` means: one for each core that we may use; none for a few tests."""
    few = any(".py" in argument for argument in config.args) or config.option.keyword
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 0 if few else min(cores or 1, MOST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    config.option.loadscopereorder = False  # by number of tests; the order is `FIRST`'s
    return Files(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts; and a test of the `world` begins without jobs of others (PDFs of a hundred orders)."""
    items.sort(key=lambda item: rank(item.nodeid))
    for item in items:
        if isinstance(item, pytest.Function) and "world" in item.fixturenames:
            item.fixturenames.insert(0, "own_jobs")


def pytest_collection_finish() -> None:
    """Seven thousand tests stay to the end: the collector need not walk them again and again."""
    gc.freeze()


def scope(nodeid: str) -> str:
    """The file of a test, or the folder if all of it stays together."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def rank(nodeid: str) -> int:
    return next((i for i, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))
