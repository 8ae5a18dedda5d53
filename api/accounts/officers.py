"""The administrator's lists: offices, and officers one by one or as a CSV of up to 5,000 lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import msgspec

from api import events, ids, permissions, places, sealed
from api.accounts import authentication, officer_queries
from api.accounts.binding import apply_listing
from api.accounts.model import (
    OFFICER_ROLES,
    ImportReport,
    NoOffice,
    NoOfficer,
    Office,
    OfficeEntry,
    Officer,
    OfficerCard,
    OfficerEntry,
    OfficerTaken,
    RejectedLine,
    WrongEntry,
)
from api.accounts.numbers import clean_cid, clean_email
from api.db import Tx
from api.permissions import Reach, Role, Session
from api.problems import Problem

LINES: Final = 5000
CODE: Final = re.compile("[a-z0-9-]{1,40}")
COLUMNS: Final = (
    *("office", "name", "position", "roles", "cid", "number", "email", "ended"),
    *("name_en", "position_en"),
)


async def write_office(tx: Tx, code: str, entry: OfficeEntry) -> Office:
    """An office by its code, made or changed; what its officers reach follows at once.

    Raises `WrongEntry`. Reads of other processes lag by up to 30 s.
    """
    if not CODE.fullmatch(code):
        raise WrongEntry(reason="a code has small letters, digits and -, 40 at most")
    wanted = sorted(set(entry.provinces))
    if unknown := set(wanted) - {p.code for p in await places.provinces(tx)}:
        raise WrongEntry(reason=f"no province {', '.join(sorted(unknown))}")
    await tx.lock([ids.of_text(f"office:{code}")])
    known = await officer_queries.office_by_code(tx, code)
    before = await officer_queries.office(tx, known) if known else None
    fields = (entry.kind, entry.name_th.strip(), entry.name_en.strip())
    id = await officer_queries.upsert_office(tx, ids.new(), code, *fields)
    await officer_queries.set_provinces(tx, id, wanted)
    after = await officer_queries.office(tx, id)
    assert after is not None
    if after != before:
        authentication.forget_all()
        facts = {"code": code, "was": before and before.provinces, "provinces": wanted}
        await events.record(tx, "office.written", "office", id, facts=facts)
    return after


async def list_officer(tx: Tx, entry: OfficerEntry, id: UUID | None = None) -> tuple[Officer, bool]:
    """Puts one officer on the list, or changes their line; a bound account's roles follow at once.

    Found by `id` or else by national ID, number or e-mail. Returns the line and whether anything
    changed. Raises `NoOffice`, `WrongCid`, `WrongEntry`, `OfficerTaken`, `NoOfficer`.
    """
    office = await officer_queries.office_by_code(tx, entry.office)
    if office is None:
        raise NoOffice(code=entry.office)
    roles = sorted({r.value for r in entry.roles})
    if not set(entry.roles) <= OFFICER_ROLES:
        raise WrongEntry(reason="operator and citizen are not given, they follow from the facts")
    if not entry.name.strip() or "\0" in entry.name + entry.position:
        raise WrongEntry(reason="name")
    cid = clean_cid(entry.cid) if entry.cid else None
    number = (entry.number or "").strip() or None
    email = clean_email(entry.email)
    found = await officer_queries.find_officers(
        tx,
        sealed.indexes("cid", cid) if cid else [],
        sealed.indexes("officer.number", number) if number else [],
        sealed.indexes("officer.email", email) if email else [],
    )
    if len(found) > 1 or (id is not None and found and found[0].id != id):
        raise OfficerTaken()
    before = found[0] if found else (await officer_queries.lock_officer(tx, id) if id else None)
    if before is None and (id is not None or not (cid or number or email)):
        raise NoOfficer() if id is not None else WrongEntry(reason="cid, number or email is needed")
    if before is not None and before.account is not None and cid:
        known = await officer_queries.officer_cid(tx, before.id)
        if known is not None and known not in sealed.indexes("cid", cid):
            raise WrongEntry(reason="bound to another person; end this line and list a new one")
    indexes = (
        sealed.index("cid", cid) if cid else None,
        sealed.index("officer.number", number) if number else None,
        sealed.index("officer.email", email) if email else None,
    )
    by = tx.actor.account if isinstance(tx.actor, Session) else None
    ended_at = None
    if entry.ended:
        ended_at = before.ended_at if before and before.ended_at else tx.now
    name_en = _kept(entry.name_en, before.name_en if before else "")
    position_en = _kept(entry.position_en, before.position_en if before else "")
    name, position = entry.name.strip(), entry.position.strip()
    fields = (office, name, position, roles, indexes, ended_at, by, name_en, position_en)
    if before is None:
        new = ids.new()
        await officer_queries.insert_officer(tx, new, *fields)
        bound = (None, None, ended_at, 1)
        after = Officer(new, office, name, position, roles, *bound, name_en, position_en)
    else:
        after = msgspec.structs.replace(
            before,
            office=office,
            name=name,
            position=position,
            roles=roles,
            ended_at=ended_at,
            name_en=name_en,
            position_en=position_en,
        )
        if after == before and not await officer_queries.learns(tx, before.id, indexes):
            return before, False
        same = sealed.indexes("cid", cid) if cid else []
        await officer_queries.update_officer(tx, before.id, *fields, same)
        found_again = await officer_queries.lock_officer(tx, before.id)
        assert found_again is not None
        after = found_again
    if after.account is not None:
        await apply_listing(tx, after, after.account)
        authentication.forget_account(after.account)
    facts = {"office": entry.office, "roles": roles, "ended": entry.ended}
    await events.record(tx, "officer.listed", "officer", after.id, facts=facts)
    return after, True


async def import_officers(tx: Tx, content: bytes) -> ImportReport:
    """The list as CSV: `office,name,position,roles,cid,number,email,ended,name_en,position_en`.

    Roles are split by `;`; columns but `office`, `name` and `roles` may be left out.
    A line that cannot be used is reported and the others count; nobody is removed by absence,
    a leaver's line says `ended`. UTF-8, or Windows-874 as Thai spreadsheets write it.
    """
    report = ImportReport(0, 0, 0, [])
    for number, row in _lines(content):
        try:
            entry = _entry(row)
            async with tx.savepoint():
                officer, changed = await list_officer(tx, entry)
        except Problem as problem:
            report.rejected.append(RejectedLine(number, problem.sentence("en")))
        except msgspec.ValidationError as error:
            report.rejected.append(RejectedLine(number, str(error)))
        else:
            report.listed += changed and officer.version == 1
            report.changed += changed and officer.version > 1
            report.unchanged += not changed
    facts = {"listed": report.listed, "changed": report.changed, "rejected": len(report.rejected)}
    await events.record(tx, "officer.imported", "officer", ids.new(), facts=facts)
    return report


async def officers(tx: Tx, office: UUID | None, after: UUID | None, limit: int) -> list[Officer]:
    """The list, of the caller's own office only where the reach is no wider."""
    if Reach.all not in permissions.reaches(tx.actor, "officer.read"):
        assert isinstance(tx.actor, Session)
        if tx.actor.office is None or office not in (None, tx.actor.office):
            return []
        office = tx.actor.office
    return await officer_queries.officers(tx, office, after, limit)


async def officer_card(tx: Tx, account: UUID) -> OfficerCard:
    """How the officer behind `account` stands on a document they sign. Raises `NoOfficer`."""
    found = await officer_queries.officer_card(tx, account)
    if found is None:
        raise NoOfficer()
    return found


def _kept(given: str | None, present: str) -> str:
    return present if given is None else given.strip()


def _lines(content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("cp874")
        except UnicodeDecodeError:
            raise WrongEntry(reason="the file is neither UTF-8 nor Windows-874") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    missing = {"office", "name", "roles"} - set(reader.fieldnames or [])
    unknown = set(reader.fieldnames or []) - set(COLUMNS)
    if missing or unknown:
        said = ", ".join(sorted(missing)) or "unknown columns"
        raise WrongEntry(reason=f"the first line must name the columns; wrong: {said}")
    try:
        for count, row in enumerate(reader, 1):
            if count > LINES:
                raise WrongEntry(reason=f"more than {LINES} lines; split the file")
            if None in row:
                row.pop(None)
            yield reader.line_num, row
    except csv.Error:
        raise WrongEntry(reason="the file is not CSV") from None


def _entry(row: dict[str, str]) -> OfficerEntry:
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    names = [name.strip() for name in cells["roles"].replace("|", ";").split(";") if name.strip()]
    if not all(name in Role.__members__ for name in names):
        raise WrongEntry(reason="a role that does not exist")
    ended = cells["ended"].casefold()
    if ended not in ("", "0", "1", "no", "yes", "true", "false"):
        raise WrongEntry(reason="ended is yes or empty")
    return msgspec.convert(
        {
            "office": cells["office"],
            "name": cells["name"],
            "position": cells["position"],
            "name_en": cells["name_en"] or None,
            "position_en": cells["position_en"] or None,
            "roles": names,
            "cid": cells["cid"] or None,
            "number": cells["number"] or None,
            "email": cells["email"] or None,
            "ended": ended in ("1", "yes", "true"),
        },
        OfficerEntry,
    )
