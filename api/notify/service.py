"""Verbs of the inbox and of devices, and the job that pushes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from api import events, ids, jobs, settings
from api.db import Database, Tx
from api.jobs import Job, Later
from api.notify import firebase, queries, texts
from api.notify.firebase import Outcome
from api.notify.model import (
    About,
    DeviceEntry,
    DeviceNotFound,
    InLanguages,
    Language,
    Message,
    MessageNotFound,
    MessageRow,
    PulledMessage,
    PushDevice,
    Unread,
)
from api.permissions import Session, Worker

log = logging.getLogger("superapp.notify")
PUSH_JOB, EXPIRE_JOB = "notify.push", "notify.expire"
EXPIRE_AT_ONCE = 500
PUSH_FOR = timedelta(hours=24)
"""A phone is not told of what is older; the inbox keeps it."""
_facts = msgspec.json.Decoder(dict[str, Any])


class NotPushed(Exception):
    """Some devices could not be reached; the job comes again for those alone."""


async def send(
    tx: Tx,
    *,
    account: UUID,
    template: str,
    facts: Mapping[str, Any],
    about: tuple[str, UUID],
    key: str,
) -> None:
    """Puts one message into the inbox of `account`; the same `key` again changes nothing.

    `facts` fill the template and hold no more of anybody than the recipient may see. Raises
    KeyError, a fault, for a template or a fact that is not there.
    """
    for language in Language:
        texts.render(template, facts, language)
    id, (kind, record) = ids.new(), about
    sent = await queries.insert_message(
        tx,
        id,
        account=account,
        template=template,
        facts=msgspec.json.encode(facts, enc_hook=str).decode(),
        about_kind=kind,
        about=record,
        key=key,
    )
    if not sent:
        return
    if await queries.has_devices(tx, account):
        await jobs.enqueue(tx, PUSH_JOB, {"message": id}, key=str(id))
    await events.record(
        tx,
        "message.sent",
        "message",
        id,
        scopes=[events.account(account)],
        # Who told a complaint stands in no event.
        facts={"template": template}
        | ({} if kind == "own_complaint" else {"account": account, "about": record}),
    )


# --- the inbox ----------------------------------------------------------------------------------


async def inbox(
    tx: Tx, language: str, *, unread: bool, before: UUID | None, limit: int
) -> list[Message]:
    """The caller's messages, the newest first."""
    rows = await queries.inbox(tx, _caller(tx).account, before, limit, unread=unread)
    return [_message(row, Language(language)) for row in rows]


async def unread(tx: Tx) -> Unread:
    return Unread(await queries.unread(tx, _caller(tx).account))


async def mark_read(tx: Tx, id: UUID, language: str) -> Message:
    """Raises `MessageNotFound`. A second time changes nothing."""
    account = _caller(tx).account
    if await queries.mark_read(tx, account, id):
        await _tell_read(tx, account, id)
    rows = await queries.messages(tx, account, [id])
    if not rows:
        raise MessageNotFound(message=id)
    return _message(rows[0], Language(language))


async def mark_read_up_to(tx: Tx, id: UUID) -> Unread:
    """That message and all before it. Raises `MessageNotFound`."""
    account = _caller(tx).account
    if not await queries.messages(tx, account, [id]):
        raise MessageNotFound(message=id)
    for read in await queries.mark_read_up_to(tx, account, id):
        await _tell_read(tx, account, read)
    return await unread(tx)


async def pulled(tx: Tx, ids: Sequence[UUID]) -> list[PulledMessage]:
    """Messages of the caller as a phone pulls them."""
    return [_pulled(row) for row in await queries.messages(tx, _caller(tx).account, list(ids))]


async def expire(db: Database, job: Job) -> None:
    """Forgets messages whose time is over; the audit trail keeps that they were sent and read."""
    while True:
        async with db.begin(Worker(job.name)) as tx:
            before = tx.now - timedelta(days=settings.current().message_days)
            old = await queries.expired(tx, ids.first_at(before), before, EXPIRE_AT_ONCE)
            await queries.delete_messages(tx, [message.id for message in old])
            for message in old:
                gone = [events.account(message.account)]
                await events.record(tx, "message.expired", "message", message.id, gone=gone)
        if len(old) < EXPIRE_AT_ONCE:
            return


def _message(row: MessageRow, language: Language) -> Message:
    text = texts.render(row.template, _facts.decode(row.facts), language)
    about = About(row.about_kind, row.about)
    return Message(row.id, row.template, about, text.title, text.text, row.sent_at, row.read_at)


def _pulled(row: MessageRow) -> PulledMessage:
    th, en = (_message(row, language) for language in (Language.th, Language.en))
    return PulledMessage(
        row.id,
        row.template,
        th.about,
        InLanguages(th.title, en.title),
        InLanguages(th.text, en.text),
        row.sent_at,
        row.read_at,
    )


async def _tell_read(tx: Tx, account: UUID, id: UUID) -> None:
    await events.record(tx, "message.read", "message", id, scopes=[events.account(account)])


def _caller(tx: Tx) -> Session:
    assert isinstance(tx.actor, Session)
    return tx.actor


# --- devices ------------------------------------------------------------------------------------


async def register_device(tx: Tx, id: UUID, entry: DeviceEntry) -> PushDevice:
    """Registers or refreshes the device of the caller's session. Raises `DeviceNotFound` for an
    id of somebody else."""
    caller = _caller(tx)
    await tx.lock([id])
    owner = await queries.device_owner(tx, id)
    if owner not in (None, caller.account):
        raise DeviceNotFound(device=id)
    await queries.forget_others(tx, id, caller.session, entry.token)
    found = await queries.put_device(
        tx, id, caller.account, caller.session, entry.token, entry.language
    )
    if owner is None:
        await events.record(tx, "device.registered", "device", id)
    return found


async def remove_device(tx: Tx, id: UUID) -> None:
    """Raises `DeviceNotFound`."""
    if not await queries.remove_device(tx, id, _caller(tx).account):
        raise DeviceNotFound(device=id)
    await events.record(tx, "device.removed", "device", id)


async def forget_devices(tx: Tx, job: Job) -> None:
    """The session has ended or the account was suspended; pushing stopped at that moment, for it
    asks for living sessions."""
    await queries.remove_devices_of(tx, UUID(job.args["record"]))


# --- pushing ------------------------------------------------------------------------------------


async def push(db: Database, job: Job) -> None:
    """Tells the devices that a message waits; those that were told are left out next time.

    Killed between the answer of the push service and our note of it, a device is told twice under
    one tag, which shows as one. Raises `Later` when told to slow down, `NotPushed` otherwise.
    """
    sender = firebase.current()
    if sender is None:
        return
    id = UUID(job.args["message"])
    async with db.begin(Worker(job.name)) as tx:
        message = await queries.to_push(tx, id, tx.now - PUSH_FOR)
        targets = await queries.targets(tx, id, message.account) if message else []
    if message is None:
        return
    again: list[firebase.Answer] = []
    for start in range(0, len(targets), firebase.BATCH):
        batch = targets[start : start + firebase.BATCH]
        answers = await asyncio.to_thread(
            sender.send,
            [
                firebase.Push(
                    token=target.token,
                    title=_message(message, target.language).title,
                    text=texts.render(texts.PUSH, {}, target.language).text,
                    tag=str(id),
                    data={
                        "message": str(id),
                        "about_kind": message.about_kind,
                        "about": str(message.about),
                    },
                )
                for target in batch
            ],
        )
        told = list(zip(batch, answers, strict=True))
        done = [(t, a) for t, a in told if a.outcome in (Outcome.sent, Outcome.refused)]
        dead = [t for t, a in told if a.outcome is Outcome.dead]
        again += [a for a in answers if a.outcome is Outcome.again]
        async with db.begin(Worker(job.name)) as tx:
            await queries.note_pushed(
                tx,
                id,
                [target.id for target, _ in done],
                [a.code if a.outcome is Outcome.refused else None for _, a in done],
            )
            if dead:
                await queries.remove_tokens(tx, dead)
        for _, answer in done:
            if answer.outcome is Outcome.refused:
                log.error("push refused", extra={"facts": {"message": id, "code": answer.code}})
    waits = [answer.after for answer in again if answer.after]
    if waits:
        raise Later(max(waits))
    if again:
        raise NotPushed(", ".join(sorted({answer.code for answer in again})))
