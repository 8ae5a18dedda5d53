"""A complaint arrives: told once, however often it is sent."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec

from api import codes, events, ids, keys, limits, sealed, settings
from api.clock import bangkok_date
from api.complaints import categories, clocks, identity, queries, reading, tracking
from api.complaints.clocks import Kind
from api.complaints.model import Channel, Flag, Severity, Subject
from api.complaints.problems import (
    CategoryUnknown,
    ComplaintExists,
    ComplaintNotFound,
    PlaceUnknown,
    ReadingNotAtDesk,
    SenderBlocked,
)
from api.complaints.views import OwnComplaint, Report
from api.db import Tx
from api.factories import earth
from api.permissions import Client, Role, Session, Tracking
from api.problems import NotAllowed

CLOCK = "complaint.clock"
AT_ONCE = (Kind.acknowledge, Kind.first_action, Kind.resolve)


async def report(
    tx: Tx, id: UUID, said: Report, network: str, odd: Sequence[Flag] = ()
) -> OwnComplaint:
    """Takes a complaint under the sender's id; the same again, at any time, is the same complaint.

    `network` is the address that the request came from; it is kept for limits as a keyed hash
    only. `odd`: what the way by which it came noticed of it. Raises `SecretUnreadable`,
    `CategoryUnknown`, `PlaceUnknown`, `SenderBlocked`, `TooFast`, `ReadingNotAtDesk`, what
    `using.use` does, `ComplaintExists` to whoever told it, and `ComplaintNotFound` to anyone else
    with its id.
    """
    officer = _officer(tx, said.channel)
    if said.reading is not None:
        if said.channel is not Channel.desk:
            raise ReadingNotAtDesk()
        await tx.lock([id])  # of forty at once one uses it up, and the others find the complaint
    signed_in = _account(tx) if officer is None else None
    account = None if said.anonymous else signed_in
    code = tracking.read(said.secret)
    asked = None if isinstance(tx.actor, Client) else network  # a program's limits are its own
    sent_by = [] if officer is not None else senders(said.device, signed_in, asked)
    # a block holds whoever hides the account, too; of the account nothing is kept then
    found = [s for s in sent_by if s.kind != "account" or account is not None]
    place, today = said.place, bangkok_date(tx.now)
    point = _point(said)
    basis = await queries.basis(
        tx,
        id,
        category=said.category,
        province=place.province,
        district=place.district,
        premises=said.factory.premises,
        earth=point and earth.cube_text(*point),
        senders=known(sent_by),
        today=today,
    )
    sent = _hash(id, code, said)
    if basis.exists:
        return await _again(tx, id, code, account, sent)
    if basis.blocked:
        raise SenderBlocked()
    if basis.content is None or basis.version is None:
        raise CategoryUnknown()
    if said.factory.premises is not None and basis.premises is None:
        raise PlaceUnknown()
    content = categories.content(basis.content)
    judged = categories.judge(content, said.answers)
    urgent = judged.severity == Severity.emergency
    special = dict(zip(basis.special_days, basis.worked, strict=True))
    lengths = clocks.durations(judged.severity, settings.current(), content.clocks)
    running = [
        clocks.start(kind, tx.now, lengths[kind], special, urgent=urgent) for kind in AT_ONCE
    ]
    complainant = ids.new()
    shown = await identity.shown_at_desk(tx, id, said.reading) if said.reading else None
    contact = await identity.seal_contact(tx, complainant, said.contact, account, shown)
    new = queries.NewComplaint(
        id=id,
        channel=said.channel,
        category=said.category,
        category_version=basis.version,
        answers=msgspec.json.encode(said.answers).decode(),
        description=said.description,
        happened_at=said.happened_at,
        severity=judged.severity,
        flags=msgspec.json.encode([*judged.flags, *_odd(said, basis, point), *odd]).decode(),
        lat=point and point[0],
        lng=point and point[1],
        accuracy_m=place.accuracy_m if point else None,
        earth=point and earth.cube_text(*point),
        address=place.address,
        province=basis.province,
        district=place.district,
        premises=basis.premises,
        subject=Subject.named if basis.premises or said.factory.name else Subject.unknown,
        factory_named=said.factory.name,
        office=(urgent and basis.office_urgent) or basis.office,
        clocks=clocks.write(running),
        next_due=clocks.next_due(running),
        next_point=clocks.next_point(running),
        entered_by=officer,
        sent=sent,
        complainant=complainant,
        account=account,
        person=contact.person,
        secret=tracking.index(code),
        data_key=contact.key,
        identity=contact.blob,
        callback=said.contact is not None and said.contact.callback,
        senders=[s.index for s in found if s.kind != "network"],
        network=next((s.index for s in found if s.kind == "network"), None),
    )
    number = await queries.insert(tx, new)
    if number is None:  # another of the forty at once was faster
        return await _again(tx, id, code, account, sent)
    if found:
        await limits.take_all(tx, [s.bucket for s in found])
    if officer is None:
        tx.actor = Tracking(id, complainant)  # the event says that the complainant did it, not who
    await events.record(
        tx,
        "complaint.submitted",
        "complaint",
        id,
        scopes=scopes(new.province),
        facts={"category": said.category, "channel": said.channel, "severity": judged.severity},
    )
    return reading.arrived(tx, new, number, said, code, basis.named(new.office))


def scopes(province: str | None) -> list[str]:
    """The feed scopes of a complaint."""
    return [events.province(province)] if province else []


async def _again(tx: Tx, id: UUID, code: str, account: UUID | None, sent: bytes) -> OwnComplaint:
    """What was told before: its own sender gets it again, and nobody else learns of it."""
    before = await identity.sent(tx, id)
    mine = before is not None and (
        before.secret in sealed.indexes(tracking.PURPOSE, code)
        or (account is not None and before.account == account)
    )
    if before is None or not mine:
        raise ComplaintNotFound()
    if not hmac.compare_digest(before.sent, sent):
        raise ComplaintExists()
    found = await reading.own(tx, Tracking(id, before.complainant))
    found.code, found.replayed = codes.shown(code), True
    return found


def _hash(id: UUID, code: str, said: Report) -> bytes:
    """Of what was sent, keyed: its content may be guessed. The way it is spelt does not count."""
    whole = msgspec.structs.replace(said, secret=code)
    encoded = msgspec.json.encode(whole, order="deterministic")
    return hmac.digest(keys.ring().derive("complaint sent"), id.bytes + encoded, hashlib.sha256)


def _officer(tx: Tx, channel: Channel) -> UUID | None:
    """The officer who writes for somebody else; raises `NotAllowed` to anyone who is none.

    By Open311 only programs send.
    """
    actor, by_program = tx.actor, channel is Channel.open311
    if channel is Channel.app or (by_program and isinstance(actor, Client)):
        return None
    roles = {Role.inspector, Role.provincial_officer, Role.provincial_head, Role.department}
    if by_program or not isinstance(actor, Session) or not actor.roles & roles:
        raise NotAllowed(verb="complaint.report")
    return actor.account


def _account(tx: Tx) -> UUID | None:
    return tx.actor.account if isinstance(tx.actor, Session) else None


class Sender(msgspec.Struct, frozen=True):
    """Who sends: the index to store, those to look it up by, and what bounds how much they may."""

    kind: Literal["network", "account", "device"]
    index: bytes
    indexes: list[bytes]
    bucket: limits.Bucket


def senders(device: str | None, account: UUID | None, network: str | None) -> list[Sender]:
    """What is known of who sends. A rotation of keys changes nothing of it."""
    held = settings.current()
    a_day, an_hour = held.complaints_a_day, held.complaints_an_hour

    def sender(
        kind: Literal["network", "account", "device"], value: str, capacity: float, seconds: int
    ) -> Sender:
        purpose = f"complaint.{kind}"
        bucket = limits.Bucket(
            limits.named(f"complaint:{kind}", value), capacity, capacity / seconds
        )
        indexes = sealed.indexes(purpose, value)
        return Sender(kind, indexes[0], indexes, bucket)

    found = []
    if network is not None:
        found.append(sender("network", network, an_hour, 3600))
    if account is not None:
        found.append(sender("account", str(account), a_day, 86400))
    if device:
        found.append(sender("device", device, a_day, 86400))
    return found


def known(senders: Sequence[Sender]) -> list[bytes]:
    """Every index under which one of them may be blocked, whatever key made it."""
    return [index for s in senders for index in s.indexes]


def _point(said: Report) -> tuple[float, float] | None:
    place = said.place
    return None if place.lat is None or place.lng is None else (place.lat, place.lng)


def _odd(said: Report, basis: queries.Basis, point: tuple[float, float] | None) -> Sequence[Flag]:
    found = []
    if point is not None and not earth.in_thailand(*point):
        found.append(Flag("place.abroad"))
    if basis.province is None:
        found.append(Flag("place.unknown"))
    elif said.place.province is None and said.place.district is None and basis.premises is None:
        found.append(Flag("place.guessed"))
    district = said.place.district
    if district is not None and basis.province not in (None, district[:2]):  # as DOPA numbers them
        found.append(Flag("place.mismatch"))
    return found
