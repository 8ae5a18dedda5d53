"""Who may do what: actors, roles, and one table from verb to roles and reach.

`PERMISSIONS["visit.submit"][Role.inspector] == Reach.office` reads: an inspector may submit the
visits of the provinces of their own office. What lies outside the reach does not exist for the
caller (404, never 403). Dated authority (to sign, to seal, to unseal) is data beside this table.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

import msgspec

from api.problems import NotAllowed, SignInNeeded


class Role(StrEnum):
    inspector = "inspector"  # พนักงานเจ้าหน้าที่ผู้ตรวจ
    provincial_officer = "provincial_officer"  # desk and triage at an office
    provincial_head = "provincial_head"  # อุตสาหกรรมจังหวัด
    department = "department"  # กรอ., all provinces
    ministry = "ministry"
    administrator = "administrator"
    auditor = "auditor"  # reads, writes nothing
    local_officer = "local_officer"  # s.11/1: classes 1 and 2 of their own area
    operator = "operator"  # acts for a factory through a company
    citizen = "citizen"


class Reach(StrEnum):
    own = "own"  # what this account made or takes part in
    company = "company"  # what belongs to the account's companies
    office = "office"  # the provinces of the account's office
    all = "all"


class Session(msgspec.Struct, frozen=True, tag="session"):
    """A signed-in person on one device."""

    account: UUID
    session: UUID
    roles: frozenset[Role]
    office: UUID | None = None
    provinces: tuple[str, ...] = ()
    companies: tuple[UUID, ...] = ()


class Nobody(msgspec.Struct, frozen=True, tag="nobody"):
    """A caller without a token."""


class Worker(msgspec.Struct, frozen=True, tag="worker"):
    """The system itself: timers, imports, seeding."""

    name: str = "worker"


class Tracking(msgspec.Struct, frozen=True, tag="tracking"):
    """Whoever holds the tracking code of one complaint; also its signed-in complainant."""

    complaint: UUID
    complainant: UUID


class Client(msgspec.Struct, frozen=True, tag="client"):
    """A program of others, by its API key."""

    id: UUID


class Bridge(msgspec.Struct, frozen=True, tag="bridge"):
    """A desk PC with card readers, known by its key. It has no verb: it states what it saw."""

    id: UUID


Actor = Session | Nobody | Worker | Tracking | Client | Bridge
NOBODY = Nobody()


class Scope(msgspec.Struct, frozen=True):
    """Which rows a verb touches for an actor. `None` means no limit in that direction."""

    provinces: tuple[str, ...] | None = ()
    classes: tuple[int, ...] | None = None
    companies: tuple[UUID, ...] = ()
    account: UUID | None = None
    complainant: UUID | None = None


EVERYTHING = Scope(provinces=None)
"""For the system's own look-ups; what a caller may see is `scope(actor, verb)`."""

R = Role
_OFFICERS: dict[Role, Reach] = {
    R.inspector: Reach.office,
    R.provincial_officer: Reach.office,
    R.provincial_head: Reach.office,
    R.department: Reach.all,
}
_READERS: dict[Role, Reach] = _OFFICERS | {R.ministry: Reach.all, R.auditor: Reach.all}
# Who goes out; a local officer to classes 1 and 2 (`Scope.classes`), under the head's review.
_FIELD: dict[Role, Reach] = {
    R.inspector: Reach.office,
    R.department: Reach.all,
    R.local_officer: Reach.office,
}
_DESK: dict[Role, Reach] = {
    R.provincial_officer: Reach.office,
    R.provincial_head: Reach.office,
    R.department: Reach.all,
}
_HEADS: dict[Role, Reach] = {R.provincial_head: Reach.office, R.department: Reach.all}
_FLEET: dict[Role, Reach] = {R.administrator: Reach.all, R.ministry: Reach.all}
_EVERYBODY: dict[Role, Reach] = dict.fromkeys(Role, Reach.all)
_OWN: dict[Role, Reach] = dict.fromkeys(Role, Reach.own)
_OWN_WRITTEN: dict[Role, Reach] = {r: Reach.own for r in Role if r is not R.auditor}

PUBLIC = "public"

PERMISSIONS: dict[str, dict[Role, Reach]] = {
    # factories
    "factory.read": _EVERYBODY,
    "category.read": _EVERYBODY,
    "premises.register": _OFFICERS,
    "premises.correct": _OFFICERS,
    "premises.merge": {
        R.provincial_officer: Reach.office,
        R.provincial_head: Reach.office,
        R.department: Reach.all,
    },
    "licence.correct": {
        R.provincial_officer: Reach.office,
        R.provincial_head: Reach.office,
        R.department: Reach.all,
    },
    # inspection
    "checklist.read": _EVERYBODY,
    "checklist.publish": {R.administrator: Reach.all},
    "visit.read": _READERS | {R.local_officer: Reach.office},
    "visit.plan": _OFFICERS | {R.local_officer: Reach.office},
    "visit.record": _FIELD,
    "visit.settle": _FIELD,
    "visit.sign": _FIELD,
    "visit.take_sample": _FIELD,
    "visit.submit": _FIELD,
    "visit.review": {R.provincial_head: Reach.office, R.department: Reach.all},
    "visit.unseal": {
        R.inspector: Reach.office,
        R.provincial_head: Reach.office,
        R.department: Reach.all,
    },
    "visit.cancel": {R.provincial_head: Reach.office, R.department: Reach.all},
    "finding.confirm": {
        R.provincial_officer: Reach.office,
        R.provincial_head: Reach.office,
        R.department: Reach.all,
    },
    "company_visit.read": {R.operator: Reach.company},
    "sample.read": _READERS | {R.local_officer: Reach.office},
    "sample.hand_over": _OFFICERS | {R.local_officer: Reach.office},
    # documents
    "visit_record.issue": {
        R.inspector: Reach.office,
        R.provincial_officer: Reach.office,
        R.provincial_head: Reach.office,
        R.department: Reach.all,
    },
    "case_file.issue": {R.provincial_head: Reach.office, R.department: Reach.all},
    "document.read": _READERS | {R.operator: Reach.company},
    # orders: who may take part; what it takes to sign or approve is a dated authority beside it
    "order.read": _READERS | {R.local_officer: Reach.office},
    "order.draft": _OFFICERS | {R.local_officer: Reach.office, R.ministry: Reach.all},
    "order.sign": _OFFICERS | {R.local_officer: Reach.office, R.ministry: Reach.all},
    "order.serve": _OFFICERS | {R.local_officer: Reach.office},
    "order.open_proof": {R.provincial_head: Reach.office, R.department: Reach.all},
    "order.verify": _OFFICERS | {R.local_officer: Reach.office},
    "order.appeal": _OFFICERS | {R.ministry: Reach.all},
    "order.decide": {
        R.provincial_head: Reach.office,
        R.department: Reach.all,
        R.ministry: Reach.all,
    },
    "sealing.ask": _OFFICERS,
    "sealing.approve": {R.department: Reach.all, R.ministry: Reach.all},
    "sealing.seal": _OFFICERS,
    "company_order.read": {R.operator: Reach.company},
    "company_order.correct": {R.operator: Reach.company},
    # sync
    "sync.pull": _READERS | {R.local_officer: Reach.office, R.operator: Reach.company},
    "sync.push": _FIELD,
    "receipt.read": dict.fromkeys(_FIELD, Reach.own),
    # evidence
    "evidence.upload": dict.fromkeys(
        (*_OFFICERS, R.local_officer, R.operator, R.citizen), Reach.own
    ),
    "evidence.read": _READERS
    | {R.local_officer: Reach.office, R.operator: Reach.company, R.citizen: Reach.own},
    "evidence.link": _OFFICERS
    | {R.local_officer: Reach.office, R.ministry: Reach.all, R.operator: Reach.company},
    # messages; the auditor writes nothing
    "message.read": _OWN,
    "message.mark_read": _OWN_WRITTEN,
    "device.register": _OWN_WRITTEN,
    "device.remove": _OWN_WRITTEN,
    # accounts
    "account.me": _OWN,
    "profile.read": _OWN,
    "session.list": _OWN,
    "session.end": _OWN | {R.administrator: Reach.all},
    "session.sign_out": _OWN,
    "office.read": _EVERYBODY,
    "office.write": {R.administrator: Reach.all},
    "officer.read": _READERS | {R.administrator: Reach.all, R.local_officer: Reach.office},
    "officer.edit": {R.administrator: Reach.all},
    "officer.import": {R.administrator: Reach.all},
    "account.suspend": {R.administrator: Reach.all},
    "account.restore": {R.administrator: Reach.all},
    "authority.read": dict.fromkeys(_READERS, Reach.own)
    | {R.administrator: Reach.all, R.auditor: Reach.all},
    "authority.grant": {R.administrator: Reach.all},
    "authority.revoke": {R.administrator: Reach.all},
    "company.edit": {R.administrator: Reach.all},
    "company_member.read": {
        R.operator: Reach.company,
        R.administrator: Reach.all,
        R.auditor: Reach.all,
    },
    "company_member.add": {R.operator: Reach.company, R.administrator: Reach.all},
    "company_member.remove": {R.operator: Reach.company, R.administrator: Reach.all},
    # complaints, as whoever told them has them
    "complaint.report": _OWN_WRITTEN,
    "own_complaint.read": _OWN,
    "own_complaint.add": _OWN_WRITTEN,
    "own_complaint.withdraw": _OWN_WRITTEN,
    "own_complaint.rate": _OWN_WRITTEN,
    "own_complaint.reopen": _OWN_WRITTEN,
    # complaints, as officers have them: the case, not the person
    "complaint.read": _READERS | {R.local_officer: Reach.office},
    "complaint.triage": _DESK | {R.local_officer: Reach.office},
    "complaint.handle": _OFFICERS | {R.local_officer: Reach.office},
    "complaint.reopen": _HEADS,
    "complaint.unseal": _HEADS | {R.ministry: Reach.all},
    "complaint_view.read": _HEADS | {R.auditor: Reach.all},
    "complaint.release": _DESK,
    "complaint.export": _HEADS | {R.ministry: Reach.all, R.auditor: Reach.all},
    "complaint_slip.print": _OFFICERS,
    "complaint_category.edit": {R.administrator: Reach.all},
    "complaint_route.read": _READERS | {R.administrator: Reach.all},
    "complaint_route.edit": {R.administrator: Reach.all},
    "local_appointment.edit": {R.administrator: Reach.all},
    "api_client.edit": {R.administrator: Reach.all},
    "complaint_block.edit": _HEADS,
    # card readers
    "bridge.approve": _HEADS | {R.administrator: Reach.all},
    "bridge.read": _READERS | {R.administrator: Reach.all},
    "bridge.edit": _HEADS | {R.administrator: Reach.all},
    "bridge.revoke": _HEADS | {R.administrator: Reach.all},
    "bridge_incident.read": _HEADS | {R.administrator: Reach.all, R.auditor: Reach.all},
    "bridge_incident.look": _HEADS | {R.administrator: Reach.all},
    "desk.read": _READERS | {R.administrator: Reach.all},
    "desk.edit": _HEADS | {R.administrator: Reach.all},
    "intent.arm": _OFFICERS,
    "intent.read": dict.fromkeys(_OFFICERS, Reach.own),
    "intent.cancel": dict.fromkeys(_OFFICERS, Reach.own),
    "offline_ticket.issue": _OFFICERS,
    "reading.read": dict.fromkeys(_OFFICERS, Reach.own),
    "reading.match_face": dict.fromkeys(_OFFICERS, Reach.own),
    "reading.see_document": _OFFICERS,
    "reading.audit": _HEADS | {R.auditor: Reach.all},
    "account.ask_code": _OWN_WRITTEN,
    "reading.bind_account": dict.fromkeys(_OFFICERS, Reach.own),
    "officer.confirm": _HEADS,
    # card readers as assets: the ministry's, and an office's own
    "reader_asset.read": _FLEET | {R.provincial_head: Reach.office, R.auditor: Reach.all},
    "reader_asset.report": _FLEET | {R.auditor: Reach.all},
    "reader_asset.request": _FLEET | {R.provincial_head: Reach.office},
    "reader_asset.confirm": _FLEET | {R.provincial_head: Reach.office},
    "reader_asset.move": _FLEET | {R.provincial_head: Reach.office},
    "reader_asset.allocate": _FLEET,
    "reader_asset.import": _FLEET,
    "reader_agency.write": _FLEET,
    # ground
    "special_day.edit": {R.administrator: Reach.all},
}

ANYONE = frozenset({"complaint.report"})
"""Verbs that need no sign-in; a token that is sent all the same must be good."""
BY_CODE = frozenset(
    {
        "own_complaint.read",
        "own_complaint.add",
        "own_complaint.withdraw",
        "own_complaint.rate",
        "own_complaint.reopen",
        "evidence.upload",
        "evidence.read",
    }
)
"""What a tracking code opens, of its one complaint."""
BY_KEY = frozenset({"complaint.report"})
"""What a program may do with its API key."""


def reaches(actor: Actor, verb: str) -> frozenset[Reach]:
    """Every reach that the actor's roles give for `verb`.

    Raises `SignInNeeded` for nobody and `NotAllowed` where no role has the verb.
    """
    if isinstance(actor, Worker):
        return frozenset((Reach.all,))
    if isinstance(actor, Nobody):
        if verb in ANYONE:
            return frozenset()
        raise SignInNeeded()
    if isinstance(actor, Bridge):
        raise NotAllowed(verb=verb)
    if isinstance(actor, Tracking | Client):
        if verb in (BY_CODE if isinstance(actor, Tracking) else BY_KEY):
            return frozenset((Reach.own,))
        raise NotAllowed(verb=verb)
    table = PERMISSIONS[verb]
    found = frozenset(table[role] for role in actor.roles if role in table)
    if not found:
        raise NotAllowed(verb=verb)
    return found


def scope(actor: Actor, verb: str) -> Scope:
    """The rows that `actor` may touch under `verb`; raises as `reaches` does."""
    found = reaches(actor, verb)
    if Reach.all in found:
        return Scope(provinces=None)
    if isinstance(actor, Tracking):
        return Scope(complainant=actor.complainant)
    assert isinstance(actor, Session)
    table = PERMISSIONS[verb]
    wide = any(table.get(r) is Reach.office and r is not R.local_officer for r in actor.roles)
    return Scope(
        provinces=actor.provinces if Reach.office in found else (),
        classes=(1, 2) if Reach.office in found and not wide else None,
        companies=actor.companies if Reach.company in found else (),
        account=actor.account,
    )


def told_in_logs(actor: Actor, verb: str) -> UUID | None:
    """The account that a request's log line names: none where it would say who told a complaint.

    The line and an event of the same request carry the same id.
    """
    if not isinstance(actor, Session):
        return None
    private = actor.roles <= {Role.citizen, Role.operator}
    hidden = verb.startswith("own_complaint.") or verb == "complaint.report"
    return None if hidden or (private and verb.startswith("evidence.")) else actor.account
