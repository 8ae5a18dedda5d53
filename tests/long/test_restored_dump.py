"""A dump restored elsewhere, one restored under a running server, a folder's copy put back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.trials.fixtures import linux
from tests.trials.house import House, Server
from tests.trials.restores import continues, dump, pull, restore, sent_before

pytestmark = [pytest.mark.long, linux]


async def test_no_phone_goes_on_with_its_cursor_after_a_dump_was_restored_elsewhere(
    house: House, server: Server
) -> None:
    phone, token, before = await sent_before(house, server)
    archive = dump(house.postgres)
    copy = House(Path(os.environ["SUPERAPP_KEYRING"]))
    with copy.postgres:
        copy.url = copy.postgres.url()
        copy.environment = copy.variables(copy.url)
        await restore(copy.postgres, archive)
        restored = copy.server()
        try:
            await restored.ready()
            for client in phone.clients:
                client.base_url = restored.url
            await continues(copy, restored, phone, token, before)
            assert not restored.faults(), restored.faults()[:1]
        finally:
            restored.stop()
    await phone.close()


async def test_no_running_server_keeps_serving_old_cursors_when_its_data_base_was_restored(
    keyring: object,
) -> None:
    """The dump is restored under the same address while the API keeps running."""
    with House(Path(os.environ["SUPERAPP_KEYRING"])) as house:
        server = house.server()
        await server.ready()
        phone, token, before = await sent_before(house, server)
        archive = dump(house.postgres)
        house.postgres.stop()
        house.postgres.data.rename(house.postgres.home / "before")
        house.postgres._initialise()
        house.postgres.start()
        await restore(house.postgres, archive)
        await server.ready()
        await continues(house, server, phone, token, before)
        await phone.close()


async def test_no_phone_keeps_a_cursor_from_the_future_of_a_copy_of_the_data_folder(
    keyring: object,
) -> None:
    """A cold copy of the folder keeps the cluster's name and goes back in time."""
    with House(Path(os.environ["SUPERAPP_KEYRING"])) as house:
        server = house.server()
        await server.ready()
        house.postgres.stop()
        old = house.postgres.home / "copy"
        subprocess.run(["cp", "-a", house.postgres.data, old], check=True)
        house.postgres.start()
        await server.ready()
        phone, _, before = await sent_before(house, server)
        await phone.close()
        house.postgres.stop()
        house.postgres.data.rename(house.postgres.home / "lost")
        old.rename(house.postgres.data)
        house.postgres.start()
        await server.ready()
        (_, fresh) = await house.sign_in("inspector")
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
            after = await pull(http, fresh, before["cursor"])
        assert after["reset"], "what is written from now on would lie behind this cursor"
