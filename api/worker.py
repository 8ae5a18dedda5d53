"""Composition root of the worker: does jobs, fires due clocks, sweeps, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from pathlib import Path

from api import deadlines, events, job_loop, jobs, keys, limits, logs, reactions
from api import settings as config
from api.accounts import session_queries as sessions
from api.complaints.public import service as public
from api.db import Database, Unreachable
from api.evidence import uploads
from api.notify import firebase
from api.notify import service as notify
from api.permissions import Worker
from api.readers.bridges import enrolment_queries as enrolments
from api.readers.intents import service as intents
from api.readers.readings import forgetting
from api.readers.readings import queries as readings
from api.readers.readings import service as reading_service
from api.readers.uses import queries as account_codes
from api.settings import Settings

log = logging.getLogger("superapp.worker")
PAUSE_S = 5.0
DUE_AT_ONCE = 2000


async def watch(db: Database, stopping: asyncio.Event, pause_s: float = PAUSE_S) -> None:
    """Fires clocks and sweeps until `stopping` is set; waits for a lost data base."""
    rounds = 0
    while not stopping.is_set():
        try:
            more = await deadlines.fire_due(db, reactions.DEADLINES, DUE_AT_ONCE) >= DUE_AT_ONCE
            if rounds % 6 == 0:
                async with db.begin(Worker("sweep")) as tx:
                    await readings.wipe(tx)
                    await intents.expire(tx)
            if rounds % 720 == 0:
                async with db.begin(Worker("sweep")) as tx:
                    await limits.sweep(tx)
                    await sessions.sweep(tx)
                    await enrolments.sweep(tx)
                    await account_codes.sweep(tx)
                    await public.freeze(tx)
                    await jobs.enqueue(tx, uploads.SWEEP, key="hourly")
                    await jobs.enqueue(tx, notify.EXPIRE_JOB, key="hourly")
                    await jobs.enqueue(tx, forgetting.JOB, key="hourly")
                await erase_readings(db)
            rounds += 1
            if more:
                continue
        except Unreachable as error:
            log.warning("data base unreachable", extra={"facts": {"error": type(error).__name__}})
        try:
            await asyncio.wait_for(stopping.wait(), pause_s)
        except TimeoutError:
            continue


async def erase_readings(db: Database) -> None:
    """The personal data of readings whose time is over, some in a transaction."""
    more = True
    while more:
        async with db.begin(Worker("sweep")) as tx:
            more = await reading_service.sweep(tx) == reading_service.ERASE_AT_ONCE


async def run(settings: Settings) -> None:
    """Works with a pool of its own until TERM or Ctrl-C."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows has none on its loop
            loop.add_signal_handler(name, stopping.set)
    db = await Database.connect(settings.database_url, size=10)
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(watch(db, stopping))
            both.create_task(job_loop.work(db, reactions.JOBS, stopping))
    finally:
        await db.close()


def firebase_of(settings: Settings) -> firebase.Sender | None:
    """What pushes, or None, which the log says once. Raises `firebase.Unusable`."""
    if not settings.firebase_credentials:
        log.info("push is off: SUPERAPP_FIREBASE_CREDENTIALS is not set; the inbox works")
        return None
    sender = firebase.Sender(Path(settings.firebase_credentials))
    log.info("push is on")
    return sender


def main(settings: Settings) -> None:
    logs.set_up()
    config.use(settings)
    keys.use(keys.Keyring.open(settings.keyring_path))
    firebase.use(firebase_of(settings))
    events.react(reactions.REACTIONS)
    asyncio.run(run(settings))
