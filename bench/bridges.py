"""What the server has to hold for bridges that wait, and to do for each statement they make."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import click
import msgspec
import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import children, ids, keys, serving
from api.accounts import seed as accounts
from api.db import Database, Tx
from api.permissions import Worker
from api.readers.channel import hub
from api.readers.readings.together import MOST, Together
from bench import frame
from bench.counters import OFFICER, Device, put_up
from bench.frame import Frame, cpu, median, spread
from bench.idle_bridges import One, Orders, Told
from bench.table import Row, row
from reader_bridge import messages
from reader_bridge.fields import CardText, Name
from reader_bridge.messages import (
    GENESIS,
    Kind,
    Receipt,
    SealingKey,
    Stated,
    Statement,
)

IDLE, CLIENTS, IDLE_S = 10_000, 2, 60.0
SPARE_FILES = 500
READER = "Sample Reader 00 00"
DEVICES, ROUNDS = 200, 7
AT_ONCE = (MOST, 8, 1)
"""So many statements wait: when PCs come back after an outage, in a busy hour, in a quiet one."""


async def measure(bench: Frame) -> list[Row]:
    """Raises RuntimeError where a bridge was sent away, or a statement refused."""
    frame.use(bench.conf)
    return [*await idled(bench), await verified(bench)]


# --- those who wait -----------------------------------------------------------------------------


async def idled(bench: Frame, count: int = IDLE, seconds: float = IDLE_S) -> list[Row]:
    """Memory of one API process for each of `count` bridges that are connected and wait."""
    files = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)[1]
    if files < count + SPARE_FILES:
        click.echo(f"bridge.idle_kb: left out, only {files} files (ulimit -n)", err=True)
        return []
    url = await bench.database("bench_bridges")
    async with bench.connected(url) as db:
        bridges = await enrolled(db, count)
    async with bench.serving(url) as api:
        server = psutil.Process(api)
        await asyncio.sleep(1)
        before = server.memory_info().rss
        with cpu(api) as greeted, cpu(bench.postgres_pid()) as stored:
            clients = start(bench, bridges)
            took = [await _line(client, "connected") for client in clients]
        connected = server.memory_info().rss
        with cpu(api) as server_s, cpu(bench.postgres_pid()) as postgres_s:
            await asyncio.sleep(seconds)
        after = server.memory_info().rss
        told = [await ended(client) for client in clients]
    alive = sum(one.alive for one in told)
    if alive != count:
        raise RuntimeError(f"{count} bridges connected, {alive} after {seconds:g} s")
    minute = 60 / seconds
    note = (
        f"{count} at one process, {(after - before) / 1e6:.0f} MB (all connected"
        f" {(connected - before) / 1024 / count:.1f} kB); in {max(map(float, took)):.0f} s,"
        f" {greeted.seconds * 1000 / count:.1f} + PostgreSQL {stored.seconds * 1000 / count:.1f}"
        f" CPU ms each; idle CPU a minute {server_s.seconds * minute:.1f} + PostgreSQL"
        f" {postgres_s.seconds * minute:.1f} s, {sum(one.pings for one in told)} pings"
    )
    return [row("bridge.idle_kb", (after - before) / 1024 / count, note)]


async def enrolled(db: Database, count: int) -> list[One]:
    """Devices in service with a reader each, straight in SQL."""
    made = []
    for _ in range(count):
        key = Ed25519PrivateKey.generate()
        made.append((One(ids.new(), key.private_bytes_raw(), READER), key.public_key()))
    async with db.begin(Worker("bench")) as tx:
        account = await accounts.account(tx, OFFICER)
        office = await tx.value("select office from account where id = $1", account)
        await tx.run(
            """
            insert into bridge (id, office, name, public_key, key_protection, platform, software,
                approved_at, approved_by, head, key_since)
            select id, $3, 'พีซีตัวอย่าง', key, 'file', 'Linux', 'bench', $4, $5, $6, $4
            from unnest($1::uuid[], $2::bytea[]) as b (id, key)
            """,
            [one.id for one, _ in made],
            [public.public_bytes_raw() for _, public in made],
            office,
            tx.now,
            account,
            GENESIS,
        )
        await tx.run(
            """
            insert into bridge_reader (id, bridge, name, last_seen_at)
            select id, bridge, $3, $4 from unnest($1::uuid[], $2::uuid[]) as r (id, bridge)
            """,
            [ids.new() for _ in made],
            [one.id for one, _ in made],
            READER,
            tx.now,
        )
    return [one for one, _ in made]


def start(bench: Frame, bridges: Sequence[One]) -> list[subprocess.Popen[bytes]]:
    """Programs that connect them, each from a loopback address of its own."""
    found = []
    for n in range(CLIENTS):
        orders = Orders(
            bench.port, bench.conf.base_url, f"127.0.0.{n + 2}", list(bridges[n::CLIENTS])
        )
        file = bench.folder / f"idle-{n}.json"
        file.write_bytes(msgspec.json.encode(orders))
        command = [sys.executable, "-m", "bench.idle_bridges", str(file)]
        found.append(children.spawn(command, stdout=subprocess.PIPE))
    return found


async def ended(client: subprocess.Popen[bytes]) -> Told:
    client.send_signal(signal.SIGTERM)
    said = await _line(client, "")
    await asyncio.to_thread(client.wait, 30)
    return msgspec.json.decode(said, type=Told)


async def _line(client: subprocess.Popen[bytes], word: str) -> str:
    """The rest of its next line. Raises RuntimeError where it said something else, or ended."""
    assert client.stdout is not None
    said = (await asyncio.to_thread(client.stdout.readline)).decode().strip()
    if not said.startswith(word) or not said:
        raise RuntimeError(f"a client said {said!r}, not {word}")
    return said.removeprefix(word).strip()


# --- what they state ----------------------------------------------------------------------------


class Desk(msgspec.Struct):
    """A device with one reader, and the end of its chain."""

    device: Device
    office: UUID
    account: UUID
    session: UUID
    head: bytes = GENESIS
    sequence: int = 0


async def verified(bench: Frame) -> Row:
    """Statements verified and committed for each second of processor time.

    A core: one second of CPU of the process that verifies and of PostgreSQL together, as the system
    counts them; what the devices do (signing, sealing) is done before. What a core can do is what
    it does where many wait; the note tells what fewer cost.
    """
    url = await bench.database("bench_statements")
    serving.settle()
    rates, notes, slots = [], [], hub.slots(bench.conf.pool_size)
    async with bench.connected(url, size=bench.conf.pool_size) as db:
        async with db.begin(Worker("bench")) as tx:
            desks = [await _desk(tx, n) for n in range(DEVICES)]
        for place, at_once in enumerate(AT_ONCE):
            found = []
            for n in range(ROUNDS + 1):
                async with db.begin(Worker("bench")) as tx:
                    stated = await _arm(tx, bench, desks, place * (ROUNDS + 1) + n)
                gc.collect()
                with cpu(os.getpid()) as mine, cpu(bench.postgres_pid()) as stored:
                    # PostgreSQL is our child, so it counts among ours.
                    wall = await _take(db, desks, stated, at_once, slots)
                if n:
                    found.append((mine.seconds - stored.seconds, stored.seconds, wall))
            of_each = [DEVICES / (mine + stored) for mine, stored, _ in found]
            rates.append(median(of_each))
            api_ms, postgres_ms, wall_ms = (
                median([r[n] * 1000 / DEVICES for r in found]) for n in range(3)
            )
            notes.append(
                f"{at_once} at once: {spread(of_each)} (API {api_ms:.2f} + PostgreSQL"
                f" {postgres_ms:.2f} ms each), by the clock {1000 / wall_ms:.0f}/s"
            )
        await _check(db)
    return row("bridge.verify_per_s", rates[0], f"of {DEVICES}; {'; '.join(notes)}")


async def _desk(tx: Tx, n: int) -> Desk:
    """With an officer of its own, in one of the country's offices: who shares a row with nobody
    at the same moment waits for nobody."""
    account, person, session = ids.new(), ids.new(), ids.new()
    office = await tx.value(
        "select id from office where kind = 'pio' order by id offset $1", n % 76
    )
    await tx.run(
        "insert into person (id, data_key, created_at) select $1, data_key, $2 from person limit 1",
        person,
        tx.now,
    )
    await tx.run(
        "insert into account (id, person, office, created_at) values ($1, $2, $3, $4)",
        account,
        person,
        office,
        tx.now,
    )
    await tx.run(
        """
        insert into account_role (id, account, role, granted_at) values ($1, $2, 'inspector', $3)
        """,
        ids.new(),
        account,
        tx.now,
    )
    await tx.run(
        """
        insert into session (id, account, client, device_name, created_at, last_seen_at)
        values ($1, $2, 'superapp-phone', 'bench', $3, $3)
        """,
        session,
        account,
        tx.now,
    )
    device = await put_up(tx, account, [READER], Ed25519PrivateKey.generate())
    return Desk(device, office, account, session)


async def _arm(tx: Tx, bench: Frame, desks: Sequence[Desk], n: int) -> list[Stated]:
    """An intent at each desk straight in SQL, and the statement that its device makes."""
    kid, public = keys.ring().sealing()
    sealing = SealingKey(kid, public.public_bytes_raw())
    intents = [ids.new() for _ in desks]
    nonces = [os.urandom(32) for _ in desks]
    await tx.run(
        """
        insert into intent (id, session, account, office, desk, bridge, reader, purpose, fields,
            photo, nonce, armed_at, expires_at, moved_at)
        select id, session, account, office, desk, bridge, reader, 'identify_complainant', $9,
            false, nonce, $10, $11, $10
        from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bytea[], $6::uuid[],
            $7::uuid[], $8::uuid[]) as i (id, desk, bridge, reader, nonce, session, account, office)
        """,
        intents,
        [d.device.desks[READER] for d in desks],
        [d.device.id for d in desks],
        [d.device.readers[READER] for d in desks],
        nonces,
        [d.session for d in desks],
        [d.account for d in desks],
        [d.office for d in desks],
        ["cid", "name_th"],
        tx.now,
        tx.now + timedelta(seconds=90),
    )
    found = []
    for place, (desk, intent, nonce) in enumerate(zip(desks, intents, nonces, strict=True)):
        card = CardText(
            cid=f"19999{n * DEVICES + place:08d}",
            name_th=Name(prefix="นาย", first=f"ตัวอย่าง{place}", last="หน้าเคาน์เตอร์"),
        )
        found.append(_stated(bench, desk, intent, nonce, card, sealing))
    return found


def _stated(
    bench: Frame, desk: Desk, intent: UUID, nonce: bytes, card: CardText, key: SealingKey
) -> Stated:
    device, at = desk.device, datetime.now(UTC)
    payload = messages.seal(key, msgspec.json.encode(card), "text", intent, device.id)
    said = Statement(
        audience=bench.conf.base_url,
        intent=intent,
        nonce=nonce,
        purpose="identify_complainant",
        device=device.id,
        reader=READER,
        boot=device.id,
        sequence=desk.sequence + 1,
        previous=desk.head,
        waited_ms=1200,
        inserted_at=at,
        read_at=at,
        atr=bytes.fromhex("3B79180000") + b"TH NID 10",
        chip_serial=os.urandom(8),
        payload_sha256=payload.sha256,
        key_protection="file",
    )
    signed = messages.sign(device.private, Kind.statement, said)
    desk.sequence, desk.head = said.sequence, signed.sha256
    return Stated(signed, payload)


async def _take(
    db: Database, desks: Sequence[Desk], stated: Sequence[Stated], at_once: int, slots: int
) -> float:
    """By the door that connections use. Returns seconds."""
    waiting = iter(zip(desks, stated, strict=True))
    together = Together(db, asyncio.Semaphore(slots))

    async def some() -> None:
        for desk, one in waiting:
            receipt = await together.take(desk.device.id, one.signed, one.payload)
            if not isinstance(receipt, Receipt) or receipt.refused or receipt.replayed:
                raise RuntimeError(f"not taken: {receipt}")

    begun = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(at_once)))
    return time.perf_counter() - begun


async def _check(db: Database) -> None:
    wanted = DEVICES * (ROUNDS + 1) * len(AT_ONCE)
    async with db.read() as tx:
        for table in ("reading", "bridge_statement"):
            held = await tx.value(f"select count(*) from {table}")
            if held != wanted:
                raise RuntimeError(f"{held} rows of {table}, not {wanted}")
