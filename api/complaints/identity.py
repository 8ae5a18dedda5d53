"""Who told a complaint: sealed on arrival, opened by nobody without authority and reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from api import events, sealed
from api.accounts import queries as accounts
from api.complaints.model import public_number, shown_number
from api.complaints.problems import ComplainantUnknown
from api.complaints.views import Contact
from api.db import Tx
from api.readers.model import Purpose
from api.readers.readings import using

_ANY_SPACE = re.compile(r"[\s().-]+")
_THAILAND = re.compile(r"^(\+66|0066)")


class SealedContact(msgspec.Struct):
    """A contact as it is to be stored; without one there is no key either."""

    key: sealed.NewKey | None
    blob: bytes | None
    person: bytes | None


class Kept(Contact, kw_only=True, omit_defaults=True):
    """A contact as it is sealed; `levels` say how the name was proven at a desk, if it was."""

    levels: tuple[str, ...] = ()


async def shown_at_desk(tx: Tx, complaint: UUID, reading: UUID) -> using.Used:
    """Uses up the officer's reading of the complainant's card. Raises what `using.use` does."""
    return await using.use(
        tx,
        reading,
        Purpose.identify_complainant,
        about=complaint,
        used_for="complaint",
        by=complaint,
    )


async def seal_contact(
    tx: Tx,
    complainant: UUID,
    contact: Contact | None,
    account: UUID | None,
    shown: using.Used | None = None,
) -> SealedContact:
    """Seals `contact` under a key of its own, which the caller stores with it.

    `person` is the keyed index that tells one person from two: the account, the number of the card
    or document that was `shown`, else phone or e-mail. The card's name stands in for the one that
    was told; that one no level proves.
    """
    who = f"account:{account}" if account else _number(shown) or _reached_at(contact)
    person = sealed.index("complainant.person", who) if who else None
    kept = Kept() if contact is None else msgspec.convert(contact, Kept, from_attributes=True)
    if shown is not None and shown.name:
        kept.name, kept.levels = shown.name, shown.levels
    if kept == Kept():
        return SealedContact(None, None, person)
    key = sealed.make_key()
    blob = await sealed.seal_bytes(tx, key.id, _cell(complainant), msgspec.json.encode(kept))
    return SealedContact(key, blob, person)


class Sent(msgspec.Struct):
    """What tells a replay from another complaint, and its sender from anyone else."""

    complainant: UUID
    account: UUID | None
    secret: bytes
    sent: bytes


async def sent(tx: Tx, id: UUID) -> Sent | None:
    return await tx.maybe_one(
        Sent,
        """
        select p.id, p.account, p.secret, c.sent from complaint c
        join complainant p on p.complaint = c.id and p.kind = 'reporter' where c.id = $1
        """,
        id,
    )


class Part(msgspec.Struct):
    """What somebody is to a complaint."""

    id: UUID
    complaint: UUID
    me_too: bool
    shown_as: UUID
    left_at: datetime | None
    created_at: datetime


async def part(tx: Tx, complainant: UUID) -> Part | None:
    return (await parts(tx, [complainant])).get(complainant)


async def parts(tx: Tx, complainants: Sequence[UUID]) -> dict[UUID, Part]:
    found = await tx.all(
        Part,
        """
        select p.id, p.complaint, p.kind = 'me_too' as me_too, c.shown_as, p.left_at, p.created_at
        from complainant p join complaint c on c.id = p.complaint where p.id = any ($1)
        """,
        list(complainants),
    )
    return {each.id: each for each in found}


class Told(msgspec.Struct):
    """An account that has a part in a complaint, and the id and number that it knows it by."""

    account: UUID
    me_too: bool
    complaint: UUID
    number: int
    received_at: datetime

    @property
    def shown_number(self) -> str:
        if self.me_too:
            return public_number(self.complaint)
        return shown_number(self.number, self.received_at)


async def told_with(tx: Tx, complaint: UUID, *, followers: bool) -> list[Told]:
    """The accounts to be told of a complaint: its teller's, and, where `followers`, those who said
    "me too" and who told what was merged into it.

    Nobody is told who wished no more of it.
    """
    return await tx.all(
        Told,
        """
        select distinct on (p.account) p.account, p.kind = 'me_too' as me_too,
            case when p.kind = 'me_too' then c.shown_as else c.id end as complaint,
            c.number, c.received_at
        from complaint c join complainant p on p.complaint = c.id
        where (c.id = $1 or c.merged_into = $1) and p.account is not null
            and ($2 or (c.id = $1 and p.kind = 'reporter'))
            and (p.kind = 'me_too' or c.left_at is null) and p.left_at is null
        order by p.account, c.id = $1 desc
        """,
        complaint,
        followers,
    )


def persons(account: UUID | None) -> list[bytes]:
    """Every index under which the account may stand as a person; the first is today's.

    Not of a contact: whoever gives another's number must not be told that it is known.
    """
    if account is None:
        return []
    return sealed.indexes("complainant.person", f"account:{account}")


def _number(shown: using.Used | None) -> str | None:
    return f"card:{shown.person}" if shown is not None and shown.person else None


def _reached_at(contact: Contact | None) -> str:
    if contact is None:
        return ""
    if phone := _ANY_SPACE.sub("", contact.phone):
        return "phone:" + _THAILAND.sub("0", phone)
    return f"email:{contact.email.strip().casefold()}" if contact.email.strip() else ""


def _cell(complainant: UUID) -> sealed.Cell:
    return sealed.Cell("complainant", "identity", complainant)


class Senders(msgspec.Struct):
    """Where a complaint came from, as keyed indexes: enough to block it, not to know it."""

    named: list[bytes]
    """Account and device, as far as they were given."""
    network: bytes | None


async def senders(tx: Tx, complaint: UUID) -> Senders:
    return await tx.one(
        Senders,
        """
        select senders, network from complainant where complaint = $1 and kind = 'reporter'
        """,
        complaint,
    )


class Reached(msgspec.Struct):
    """Where a letter goes, and the number that its reader knows."""

    email: str
    number: str


class _Held(msgspec.Struct):
    identity: bytes | None
    number: int
    received_at: datetime


async def written_to(tx: Tx, complaint: UUID, *, followers: bool) -> list[UUID]:
    """Complainants with contact details and no account, of a complaint and, where `followers`, of
    what it took in."""
    return await tx.values(
        """
        select p.id from complaint c join complainant p on p.complaint = c.id
        where (c.id = $1 or ($2 and c.merged_into = $1)) and p.account is null
            and p.identity is not null and (c.left_at is null or p.kind = 'me_too')
        order by p.id
        """,
        complaint,
        followers,
    )


async def address_of(tx: Tx, complainant: UUID) -> Reached | None:
    """Opens the seal for a letter by the system, which is an event; None without an address.

    Raises `Erased`.
    """
    held = await tx.maybe_one(
        _Held,
        """
        select p.identity, c.number, c.received_at
        from complainant p join complaint c on c.id = p.complaint where p.id = $1
        """,
        complainant,
    )
    if held is None or held.identity is None:
        return None
    opened = sealed.Sealed(_cell(complainant), held.identity)
    contact = msgspec.json.decode(
        await sealed.unseal(tx, opened, purpose="complaint.letter"), type=Kept
    )
    if not contact.email.strip():
        return None
    return Reached(contact.email.strip(), shown_number(held.number, held.received_at))


# --- for officers ---------------------------------------------------------------------------------


async def contactable(tx: Tx, complaint: UUID) -> bool:
    """Whether whoever told it left a way to reach them; messages go through the system."""
    found: bool = await tx.value(
        """
        select exists (select from complainant where complaint = $1 and kind = 'reporter'
            and (identity is not null or account is not null))
        """,
        complaint,
    )
    return found


class _Told(msgspec.Struct):
    """A complainant as stored; `identity` is sealed."""

    id: UUID
    account: UUID | None
    identity: bytes | None


class Identity(msgspec.Struct, kw_only=True):
    """Who told it, as far as they said; `known` is false where they said nothing.

    `account_name`: the name of the account that it was told with, verified by its provider.
    `levels`: how the name was proven where its owner showed a card at a desk.
    """

    complaint: UUID
    known: bool
    name: str = ""
    phone: str = ""
    email: str = ""
    callback: bool = False
    account_name: str = ""
    levels: tuple[str, ...] = ()


async def opened(tx: Tx, complaint: UUID, me_too: int | None, reason: str) -> Identity:
    """Opens who told it, or the `me_too`-th of those who said "me too", and records it on them.

    The caller has asked for authority. Raises `ComplainantUnknown`, `Erased`.
    """
    told = await tx.maybe_one(
        _Told,
        """
        select id, account, identity from complainant
        where complaint = $1 and kind = case when $2::int is null then 'reporter' else 'me_too' end
        order by id offset coalesce($2::int - 1, 0) limit 1
        """,
        complaint,
        me_too,
    )
    if told is None:
        raise ComplainantUnknown()
    found = Identity(complaint=complaint, known=told.identity is not None)
    if told.identity is not None:
        cell = _cell(told.id)
        value = sealed.Sealed(cell, told.identity)
        contact = _contact.decode(await sealed.unseal(tx, value, purpose="complaint.identity"))
        found.name, found.phone, found.email = contact.name, contact.phone, contact.email
        found.callback, found.levels = contact.callback, contact.levels
    if told.account is not None:
        found.account_name = await _account_name(tx, told.account)
        found.known = found.known or found.account_name != ""
    facts = {"reason": reason}
    await events.record(tx, "complaint.identity_opened", "complainant", told.id, facts=facts)
    return found


async def _account_name(tx: Tx, account: UUID) -> str:
    """Opened without an event of the person's: it would tie the person to this request for anyone
    who reads events. What tells them is the one on the complainant."""
    person = await accounts.person_of_account(tx, account)
    if person is None or person.name_th is None:
        return ""
    cell = sealed.Cell("person", "name_th", person.id)
    return (await sealed.unseal_bytes(tx, cell, person.name_th)).decode()


_contact = msgspec.json.Decoder(Kept)
