"""tuspy and tus-js-client against a real server, as they come."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from api import ids
from api.embedded import EmbeddedPostgres
from tests.conftest import keyring_path
from tests.evidence.conftest import photograph
from tests.fuzzed import Served, serving

PEER = Path(__file__).parent.parent / "tus"


@pytest_asyncio.fixture(scope="module")
async def served(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    log = tmp_path_factory.mktemp("tus") / "log"
    async with serving(postgres, template, keyring_path(), log) as found:
        yield found


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "รูป โรงงาน.jpg"
    path.write_bytes(photograph(50, (1600, 1200)) + os.urandom(900_000))
    return path


def claims(path: Path, id: UUID) -> dict[str, str]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"id": str(id), "sha256": digest, "filename": path.name, "filetype": "image/jpeg"}


async def held(served: Served, token: str, id: UUID) -> bytes:
    """The bytes of an upload that is whole, from where the server keeps them."""
    async with httpx.AsyncClient(base_url=served.url) as http:
        found = await http.get(f"/v1/evidence/{id}", headers={"Authorization": f"Bearer {token}"})
    assert found.json()["state"] == "checking", found.text
    async with served.db.read() as tx:
        keys = await tx.values(
            """
            select p.key from upload u join upload_part p on p.parts = u.parts
            where u.id = $1 and p.size is not null order by p.start
            """,
            id,
        )
    return b"".join((served.log.parent / "objects" / key).read_bytes() for key in keys)


async def upload(
    served: Served, token: str, command: list[str], path: Path, id: UUID, chunk: int, **more: str
) -> str:
    """Runs a client; returns what it says."""
    process = await asyncio.create_subprocess_exec(
        *command,
        *(str(path), f"{served.url}/v1/uploads", token, json.dumps(claims(path, id)), str(chunk)),
        cwd=PEER,
        env=os.environ | more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said.decode()
    return out.decode().strip()


TUSPY = [sys.executable, "upload.py"]


@pytest.mark.parametrize("more", [{}, {"ABORT_AT": "400000"}, {"CHECKSUM": "1"}])
async def test_tuspy_uploads_in_chunks_and_goes_on_after_a_break(
    served: Served, picture: Path, more: dict[str, str]
) -> None:
    token, id = await served.token("inspector"), ids.new()
    said = await upload(served, token, TUSPY, picture, id, 200_000, **more)
    assert said == f"{served.url}/v1/uploads/{id}"
    assert await held(served, token, id) == picture.read_bytes()


@pytest.fixture(scope="module")
def node() -> str:
    found, npm = shutil.which("node"), shutil.which("npm")
    if not found or not npm:
        pytest.skip("node and npm are not on this machine")
    if not (PEER / "node_modules" / "tus-js-client").exists():
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=PEER, capture_output=True, text=True, timeout=300)
        if done.returncode and not os.environ.get("CI"):
            pytest.skip(f"npm could not install tus-js-client: {done.stderr[-300:]}")
        assert done.returncode == 0, done.stderr
    return found


@pytest.mark.parametrize(("chunk", "abort_at"), [(0, 0), (250_000, 0), (250_000, 500_000)])
async def test_tus_js_client_uploads_and_goes_on_after_the_app_was_closed(
    served: Served, picture: Path, node: str, chunk: int, abort_at: int
) -> None:
    token, id = await served.token("inspector"), ids.new()
    more = {"ABORT_AT": str(abort_at)}
    said = await upload(served, token, [node, "upload.mjs"], picture, id, chunk, **more)
    assert said == f"{served.url}/v1/uploads/{id}"
    assert await held(served, token, id) == picture.read_bytes()


async def test_the_same_file_sent_again_by_a_client_goes_through(
    served: Served, picture: Path
) -> None:
    """An app that forgot that it had sent a file: the server holds it, the client is content."""
    token, id = await served.token("inspector"), ids.new()
    for _ in range(2):
        await upload(served, token, TUSPY, picture, id, 10_000_000)
    assert await held(served, token, id) == picture.read_bytes()
    metadata = ",".join(
        f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in claims(picture, id).items()
    )
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    headers |= {"Upload-Length": str(picture.stat().st_size), "Upload-Metadata": metadata}
    async with httpx.AsyncClient(base_url=served.url) as http:
        again = await http.post("/v1/uploads", headers=headers)
    assert (again.status_code, int(again.headers["Upload-Offset"])) == (
        201,
        picture.stat().st_size,
    )
