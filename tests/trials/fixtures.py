"""What both the quick and the long trials stand on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import keys
from tests.trials import scenes
from tests.trials.house import House, Server

linux = pytest.mark.skipif(sys.platform != "linux", reason="kill -9 and /proc")


@pytest.fixture(scope="session")
def house(keyring: keys.Keyring) -> Iterator[House]:
    with House(Path(os.environ["SUPERAPP_KEYRING"])) as found:
        yield found


@pytest.fixture
async def server(house: House) -> Server:
    """The first API server of the house, alive."""
    if not house.servers:
        house.server()
    await house.servers[0].ready()
    return house.servers[0]


@pytest.fixture
async def second(house: House, server: Server) -> Server:
    """Another API server on the same data base."""
    if len(house.servers) < 2:
        house.server()
    await house.servers[1].ready()
    return house.servers[1]


@pytest.fixture
async def people(house: House, server: Server) -> dict[str, tuple[str, str]]:
    """Account and access token of the head and both inspectors."""
    return {key: await house.sign_in(key) for key in ("head", *scenes.INSPECTORS)}


@pytest.fixture
async def premises(house: House) -> str:
    return await scenes.premises(house)
