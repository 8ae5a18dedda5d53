"""Schemathesis against the running server: no fault, and every answer as openapi.json says.

`make test` plays a bounded round with a fixed seed, each example as four people (fuzz_hooks.py);
`make test-long` goes on with boundary values, wrong methods, missing credentials and fresh seeds.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from api import clock
from api.accounts import tokens
from api.accounts.seed import SAMPLES
from api.embedded import EmbeddedPostgres
from tests.conftest import keyring_path
from tests.fuzzed import Served, serving
from tests.readers.device import Desk

EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "3")
ROOT = Path(__file__).resolve().parent.parent
PEOPLE = ("inspector", "head", "operator", "administrator")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
MORE_CHECKS = ("unsupported_method", "ignored_auth")
LEFT_OUT = (
    "session.sign_out",  # would end the run
    "checklist.publish",  # its body is the whole standard: minutes for one example
    "intent.follow",  # an answer without an end
)


@pytest_asyncio.fixture(scope="module")
async def served(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    log = tmp_path_factory.mktemp("served") / "log"
    async with serving(postgres, template, keyring_path(), log) as found:
        yield found


async def play(
    served: Served, people: tuple[str, ...], *options: str, checks: tuple[str, ...] = CHECKS
) -> tuple[int, str]:
    """Schemathesis' exit code and the end of what it said; each example is sent as all `people`."""
    found = {key: await served.token(key) for key in people}
    return await play_as(served, found, {}, *options, checks=checks)


async def play_as(
    served: Served,
    people: dict[str, str],
    known: dict[str, list[str]],
    *options: str,
    checks: tuple[str, ...] = CHECKS,
) -> tuple[int, str]:
    """As `play`, with sessions that are there already and the ids of records that there are."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", str(ROOT / "openapi" / "openapi.json"), "--url", served.url),
        *("--checks", ",".join(checks)),
        *(part for name in LEFT_OUT for part in ("--exclude-operation-id", name)),
        *("--warnings", "off", "--no-color", "--no-shrink", "--continue-on-failure"),
        *("--generation-database", "none"),  # each run starts anew; keeping examples costs a tenth
        *options,
    ]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ
        | {"SCHEMATHESIS_HOOKS": "tests.fuzz_hooks", "PYTHONPATH": str(ROOT)}
        # The tables of Unicode, which it works out in seconds, are kept there from run to run.
        | {"HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")}
        | {"FUZZ_PEOPLE": json.dumps(people), "FUZZ_KNOWN": json.dumps(known)},
        cwd=served.log.parent,  # where its cache and replays may go
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode(errors="replace")


async def test_every_answer_is_as_documented(served: Served) -> None:
    options = ("--phases", "fuzzing", "--max-examples", "8", "--seed", "1")
    code, said = await play(served, PEOPLE, *options, checks=(*CHECKS, "as_everyone"))
    assert code == 0, said[-6000:]
    assert "passed" in said


EVERYBODY = tuple(sample.key for sample in SAMPLES)
READERS = r"^/v1/(reader|bridge|desk|intent|reading|offline-|me/account-codes|officers/.*/confirm)"


async def counter(served: Served, token: str) -> dict[str, list[str]]:
    """A desk at which this session waits, a reading of it, and the sample fleet: ids by name."""
    claims = tokens.read(token, clock.now())
    async with served.db.read() as tx:
        office = await tx.value("select office from account where id = $1", claims.sub)
        assets = await tx.values("select id from reader_asset order by serial_key limit 3")
        requests = await tx.values("select id from reader_request limit 3")
        officers = await tx.values("select id from officer order by id limit 3")
    desk = await Desk(served.db, claims.sub, claims.sid, office).put_up()
    read = await desk.arm()
    receipt = await desk.read(read)
    waiting = await desk.arm()
    assert receipt.reading is not None
    found = {
        "desk": [desk.desk],
        "bridge": [desk.bridge],
        "intent": [read.id, waiting.id],
        "reading": [receipt.reading],
        "reader_asset": assets,
        "replaced_by": assets,
        "reader_request": requests,
        "account": [claims.sub],
        "office": [office],
        "id": officers,
    }
    return {name: [str(id) for id in of] for name, of in found.items()}


async def test_nobody_gets_an_undocumented_answer_from_the_routes_of_card_readers(
    served: Served,
) -> None:
    """Each kind of actor, on records that there are."""
    people = {key: await served.token(key) for key in EVERYBODY}
    known = await counter(served, people["inspector"])
    options = ("--phases", "fuzzing", "--max-examples", EXAMPLES, "--seed", "5")
    code, said = await play_as(
        served,
        people,
        known,
        *("--include-path-regex", READERS, *options),
        checks=(*CHECKS, "as_everyone"),
    )
    assert code == 0, said[-6000:]
    assert "passed" in said


@pytest.mark.long
@pytest.mark.parametrize("key", ["inspector", "head", "ministry", "auditor", "citizen"])
async def test_boundary_values_of_card_readers_routes_are_answered_as_documented(
    served: Served, key: str
) -> None:
    people = {key: await served.token(key)}
    known = await counter(served, await served.token("inspector"))
    options = ("--include-path-regex", READERS, "--phases", "examples,coverage")
    code, said = await play_as(served, people, known, *options, checks=CHECKS + MORE_CHECKS)
    assert code == 0, said[-6000:]


async def test_the_server_said_nothing_about_a_fault(served: Served) -> None:
    lines = served.log.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if '"level":"error"' in line or "Traceback" in line]


async def test_the_server_listens_where_it_was_told_and_nowhere_else(served: Served) -> None:
    process = psutil.Process(served.pid)
    listening = {
        (c.laddr.ip, c.laddr.port)
        for p in (process, *process.children(recursive=True))
        for c in p.net_connections(kind="inet")
        if c.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", int(served.url.rpartition(":")[2]))}


@pytest.mark.long
@pytest.mark.parametrize("key", [*PEOPLE, "department"])
async def test_boundary_values_and_wrong_methods_are_answered_as_documented(
    served: Served, key: str
) -> None:
    options = ("--phases", "examples,coverage")
    code, said = await play(served, (key,), *options, checks=CHECKS + MORE_CHECKS)
    assert code == 0, said[-6000:]


@pytest.mark.long
@pytest.mark.parametrize("key", [*PEOPLE, "department"])
async def test_many_fresh_examples_are_answered_as_documented(served: Served, key: str) -> None:
    seed = str(random.randrange(1 << 30))
    options = ("--phases", "fuzzing,stateful", "--max-examples", "25", "--seed", seed)
    code, said = await play(served, (key,), *options)
    assert code == 0, f"seed {seed}\n{said[-6000:]}"
