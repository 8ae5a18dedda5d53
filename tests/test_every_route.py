"""Every route as every person, with objects that are not theirs.

What must come back follows from the permission table alone: 401 for nobody, 403 without the verb,
404 for what lies outside the caller's reach, never a fault, and never a 200 for someone without
the verb.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
import pytest_asyncio
from litestar import Litestar

from api import codes, ids
from api.accounts import seed as accounts
from api.accounts.samples import SAMPLES
from api.db import Database
from api.documents import service as documents
from api.factories.seed import OPERATOR, STRANGER
from api.notify import service as notify
from api.permissions import ANYONE, BY_CODE, PERMISSIONS, Reach, Role, Worker
from api.readers.bridges import freezing
from api.readers.fleet import service as fleet
from api.readers.fleet.model import ReaderAllocation, ReaderRequestEntry
from tests import described
from tests.complaints.conftest import by_code, secret, tell, told
from tests.documents import samples
from tests.evidence.conftest import APPEND, Phone, noise
from tests.inspection.orders import draft, service
from tests.readers.bridge import FakeBridge
from tests.world import Person, World, answer, do_jobs, encode, gate, now, record, submit

KEYS = [sample.key for sample in SAMPLES]
ROLES: dict[str, set[Role]] = {
    s.key: set(s.roles) or {Role.citizen} | ({Role.operator} if s.company else set())
    for s in SAMPLES
}
OPERATIONS: dict[str, tuple[str, str, str]] = {}  # operation → (method, path, verb or "")
for _path, _item in described.paths().items():
    for _method, _operation in _item.items():
        _verb = _operation.get("x-permission", {}).get("verb", "")
        OPERATIONS[_operation["operationId"]] = (_method.upper(), _path, _verb)
GUARDED = sorted(name for name, (_, _, verb) in OPERATIONS.items() if verb)
OPEN = sorted(name for name, (_, _, verb) in OPERATIONS.items() if not verb)


class Things(msgspec.Struct):
    """Records of one province, none of them the caller's."""

    province: str
    visit: UUID
    finding: UUID
    order: UUID
    premises: UUID
    other: UUID
    licence: UUID
    account: UUID
    session: UUID
    company: UUID
    member: UUID
    officer: UUID
    evidence: UUID
    upload: UUID
    document: UUID
    message: UUID
    device: UUID
    sample: UUID
    complaint: UUID
    bridge: UUID
    desk: UUID
    incident: UUID
    enrolment: UUID
    unit_office: UUID
    reader_request: UUID
    reader_asset: UUID


Body = Callable[[Things], Any]
BODIES: dict[str, Body] = {
    "visit.plan": lambda t: {
        "premises": t.premises,
        "planned_on": "2099-01-01",
        "lead": t.account,
    },
    "visit.return": lambda t: {"items": ["E08"], "note": "x"},
    "visit.accept": lambda t: {"note": "x"},
    "visit.close": lambda t: {"note": "x"},
    "visit.cancel": lambda t: {"note": "x"},
    "visit.unseal": lambda t: {"reason": "x"},
    "complaint.confirm_subject": lambda t: {"premises": t.premises},
    "complaint.record_unregistered": lambda t: {"name": "ตัวอย่าง", "province": t.province},
    "complaint.plan_visit": lambda t: {
        "complaints": [t.complaint],
        "planned_on": "2099-01-01",
        "lead": t.account,
    },
    "premises.register": lambda t: {"name": "โรงงานตัวอย่าง", "province": t.province},
    "premises.correct": lambda t: {"address": "x"},
    "premises.merge": lambda t: {"other": t.other},
    "licence.correct": lambda t: {"status": "stopped"},
    "account.suspend": lambda t: {"reason": "x"},
    "authority.grant": lambda t: {
        "account": ids.new(),
        "power": "sign_order",
        "section": "37",
        "instrument": "คำสั่งตัวอย่าง",
        "valid_from": "2026-01-01",
    },
    "company_member.add": lambda t: {"cid": "1999900000137", "capacity": "agent"},
    "officer.edit": lambda t: {
        "office": "pio-11",
        "name": "x",
        "roles": ["inspector"],
        "email": "x@example.invalid",
    },
    "office.write": lambda t: {
        "kind": "local",
        "name_th": "เทศบาลตัวอย่าง",
        "name_en": "Sample",
        "provinces": ["11"],
    },
    "sample.hand_over": lambda t: {
        "giver": {"organisation": "ก"},
        "receiver": {"organisation": "ข"},
        "handed_at": now(),
    },
    "special_day.edit": lambda t: {"working": False, "name_th": "x"},
    "sync.push": lambda t: {"operations": []},
    "message.mark_read_up_to": lambda t: {"up_to": t.message},
    "device.register": lambda t: {"token": f"token-{ids.new()}"},
    "order.draft": lambda t: {
        "kind": "correct",
        "premises": t.premises,
        "visit": t.visit,
        "content": {},
    },
    "order.redraft": lambda t: {"facts": "x"},
    "order.discard": lambda t: {"why": "x"},
    "order.sign": lambda t: {
        "signature": {"type": "fresh_authentication", "sha256": "0" * 64, "ticket": "x"}
    },
    "order.serve": lambda t: service(),
    "order.notice": lambda t: {"place": "x", "at": now()},
    "order.extend": lambda t: {"until": "2099-01-01", "reason": "x"},
    "order.breach": lambda t: {"wilful": True, "serious_danger": True, "reasons": "x"},
    "order.verify": lambda t: {"visit": t.visit, "corrected": True},
    "order.comply": lambda t: {"why": "x"},
    "order.revoke": lambda t: {"why": "x"},
    "order.stay": lambda t: {"by": "minister", "reference": "x"},
    "order.appeal": lambda t: {"filed_on": "2026-11-22"},
    "order.decide_appeal": lambda t: {
        "annulled": True,
        "decided_on": "2026-11-22",
        "decision": "x",
    },
    "sealing.ask": lambda t: {"machines": ["x"], "reason": "x"},
    "sealing.approve": lambda t: {"approved": True},
    "sealing.seal": lambda t: {
        "at": now(),
        "seals": [{"number": "x", "machine": "x"}],
        "evidence": [ids.new()],
    },
    "sealing.lift": lambda t: {"at": now(), "seals": ["x"]},
    "company_order.correct": lambda t: {"note": "x"},
    "complaint.report": lambda t: told(),
    "complaint.reject": lambda t: {"text": "x", "responsible": {"outside": "x"}},
    "complaint.forward": lambda t: {"text": "x", "responsible": {"outside": "x"}},
    "complaint.merge": lambda t: {"text": "x", "into": t.complaint},
    "complaint.assign": lambda t: {"officer": t.account},
    "complaint.close": lambda t: {"text": "x"},
    "complaint.reopen": lambda t: {"text": "x"},
    "complaint.ask": lambda t: {"id": ids.new(), "text": "x"},
    "complaint.inform": lambda t: {"id": ids.new(), "text": "x"},
    "complaint.resolve": lambda t: {"outcome": "no_evidence", "text": "x"},
    "complaint.note": lambda t: {"text": "x"},
    "complaint.message": lambda t: {"text": "x"},
    "complaint.call": lambda t: {"reached": False},
    "complaint.unseal": lambda t: {"reason": "x"},
    "complaint.me_too": lambda t: {"secret": secret()},
    "complaint.open_original": lambda t: {"reason": "x"},
    "complaint_slip.print": lambda t: {"code": secret()},
    "own_complaint.add": lambda t: {"text": "x"},
    "own_complaint.answer": lambda t: {"text": "x"},
    "own_complaint.occur": lambda t: {},
    "own_complaint.rate": lambda t: {"solved": True},
    "own_complaint.reopen": lambda t: {},
    "complaint_block.edit": lambda t: {"reason": "x"},
    "complaint_category.edit": lambda t: {"th": "ก", "en": "x"},
    "complaint_route.edit": lambda t: {"priority": 98, "category": "other", "to_kind": "pio"},
    "local_appointment.edit": lambda t: {
        "office": t.account,  # no office
        "province": "11",
        "classes": [1],
        "instrument": "x",
        "valid_from": "2026-01-01",
    },
    "complaint.release": lambda t: {"th": "x"},
    "api_client.edit": lambda t: {"name": "x"},
    "bridge.look_at_enrolment": lambda t: {"user_code": codes.new(8)},
    "bridge.approve": lambda t: {"name": "x", "fingerprint": "0" * 12},
    "bridge.edit": lambda t: {"name": "x"},
    "bridge.revoke": lambda t: {"reason": "x"},
    "bridge_incident.look": lambda t: {"note": "x"},
    "desk.put": lambda t: {"name": f"โต๊ะ {t.desk}"},
    "desk.edit": lambda t: {"name": "x"},
    "reading.bind_account": lambda t: {"code": codes.new(8)},
    "officer.confirm": lambda t: {"reading": ids.new()},
    "reading.match_face": lambda t: {"matches": True, "against": "printed"},
    "reading.see_document": lambda t: {
        "desk": t.desk,
        "purpose": "identify_complainant",
        "document": {"kind": "passport", "why": "foreigner", "name": "Sample"},
    },
    "offline_ticket.issue": lambda t: {"desk": t.desk, "purpose": "identify_complainant"},
    "intent.arm": lambda t: {"desk": t.desk, "purpose": "identify_complainant"},
    "reader_agency.write": lambda t: {"name_th": "หน่วยงานตัวอย่าง", "name_en": "Sample"},
    "reader_request.make": lambda t: {
        "office": t.unit_office,
        "document": str(ids.new()),
        "asked_on": "2018-09-30",
        "quantity": 1,
    },
    "reader_asset.allocate": lambda t: {"allocated": 1},
    "reader_asset.confirm": lambda t: {"office": t.unit_office, "serials": ["TRIAL-0001"]},
    "reader_asset.move": lambda t: {"act": "lose"},
}
NOT_FOREIGN = {
    # No object of somebody else is named: lists, the caller's own, what everybody may know.
    *("account.me", "category.read", "checklist.list", "checklist.read", "company_visit.list"),
    *("order.list", "company_order.list"),
    *("factory.list", "factory.number", "factory.read", "office.read", "officer.read"),
    *("profile.read", "receipt.list", "session.list", "session.sign_out", "special_day.edit"),
    *("document.list", "sync.pull", "sync.push", "visit.list", "authority.read", "upload.create"),
    *("message.list", "message.unread", "complaint.list"),
    *("complaint_route.list", "local_appointment.list", "own_complaint.list"),
    # Administrators' own, without an object of a scope.
    *("checklist.publish", "company.edit", "office.write"),
    *("officer.import", "officer.list"),
    "complaint.export",
    *("bridge.list", "reader.list", "bridge_incident.list", "desk.list"),
    *("intent.list", "intent.follow", "reading.list"),
    *("account.ask_code", "reading_audit.readings", "reading_audit.export"),
    *("reading_audit.face_differs", "reading_audit.late", "reading_audit.counts"),
    *("reading_audit.unused", "reading_audit.crossings", "reading_audit.incidents"),
    *("reader_agency.list", "reader_request.list", "reader_asset.list", "reader_asset.sheet"),
    *("reader_fleet.reconcile", "reader_fleet.reconcile_sheet", "reader_agency.write"),
}
MAKES = {"premises.register", "visit.plan", "device.register", "order.draft", "complaint.report"}
MAKES |= {"desk.put", "reader_request.make"}
"""What is not there is made."""
ENDS_THE_CALLER = {"session.sign_out"}


async def _things(world: World, province: str) -> Things:
    """A visit under way with a finding, in a province; in 21 of a factory without a licence."""
    lead = world["inspector" if province == "11" else "inspector-elsewhere"]
    if province == "11":
        premises, other = await world.premises(company=True), await world.premises(class_=2)
    else:
        premises, other = [await _registered(lead, province) for _ in range(2)]
    visit = ids.new()
    plan = {"premises": premises, "planned_on": "2026-11-23", "lead": lead.account}
    made = await world.department.put(f"/v1/visits/{visit}", content=encode(plan))
    assert made.status_code == 200, made.text
    noted = record(visit, start=gate(), answers=[answer("E08", "fail")])
    sample = {"op": "visit.take_sample", "id": ids.new(), "visit": visit, "number": "W-1"}
    for result in await lead.push(noted, sample):
        assert result["status"] in ("stored", "flagged"), result
    found = (await lead.get(f"/v1/visits/{visit}")).json()
    async with world.db.read() as tx:
        licence = await tx.value(
            """
            select l.id from licence l join premises p on p.id = l.premises_id
            where p.province = $1 order by l.operator_company nulls last limit 1
            """,
            "11" if province == "11" else "74",
        )
        company_id = await tx.value(
            "select id from company where juristic_id = $1",
            OPERATOR if province == "11" else STRANGER,
        )
        member = await tx.value("select id from company_member where company = $1", company_id)
        officer = await tx.value("select id from officer where account = $1", lead.account)
    async with world.db.begin(Worker("test")) as tx:
        session, _ = await accounts.sign_in(tx, "citizen" if province == "11" else "ministry")
        key = f"test {ids.new()}"
        await notify.send(
            tx,
            account=lead.account or ids.new(),
            template="visit.submitted",
            facts={"factory": "โรงงานตัวอย่าง"},
            about=("visit", visit),
            key=key,
        )
        message = await tx.value("select id from message where key = $1", key)
    device = ids.new()
    made = await lead.put(f"/v1/devices/{device}", content=encode({"token": f"token-{device}"}))
    assert made.status_code == 200, made.text
    phone = Phone(lead)
    evidence = await phone.send(noise(100), owner_kind="visit", owner=visit)
    await do_jobs(world.db)
    unfinished = UUID((await phone.create(noise(100))).headers["Location"].rpartition("/")[2])
    async with world.db.begin(Worker("test")) as tx:
        issued = await documents.issue(
            tx,
            kind="order",
            subject=visit,
            scope_province=province,
            company=company_id,
            language="th",
            content=samples.order(),
        )
    async with world.db.begin(Worker("test")) as tx:
        office = await tx.value("select id from office where code = $1", f"pio-{province}")
        request = await fleet.request_readers(
            tx,
            ids.new(),
            ReaderRequestEntry(
                office=office, document=str(ids.new()), asked_on=date(2018, 9, 30), quantity=1
            ),
        )
        serial = f"TRIAL-{ids.new().hex}"
        await fleet.allocate(tx, request.id, 1, ReaderAllocation(allocated=1, serials=[serial]))
        reader = await tx.value("select id from reader_asset where request = $1", request.id)
    complaint = ids.new()
    made = await tell(world.nobody, complaint, place={"province": province})
    assert made.status_code == 200, made.text
    async with world.db.read() as tx:
        office = await tx.value("select id from office where code = $1", f"pio-{province}")
    bridge, desk = await FakeBridge.enrolled(world, by=world.department, office=office), ids.new()
    async with world.db.begin(Worker("test")) as tx:
        await freezing.note(tx, bridge.device, "replay", {})
        incident = await tx.value("select id from bridge_incident where bridge = $1", bridge.device)
    made = await world.department.put(
        f"/v1/desks/{desk}", content=encode({"name": "โต๊ะตัวอย่าง", "office": office})
    )
    assert made.status_code == 200, made.text
    return Things(
        bridge=bridge.device,
        desk=desk,
        incident=incident,
        enrolment=ids.new(),  # whose it is, nobody knows before it is approved
        document=issued.id,
        evidence=evidence,
        upload=unfinished,
        province=province,
        visit=visit,
        finding=UUID(found["findings"][0]["id"]),
        order=UUID((await draft(world, found, person=lead))["id"]),
        premises=premises,
        other=other,
        licence=licence,
        account=lead.account or ids.new(),
        session=session,
        company=company_id,
        member=member,
        officer=officer,
        message=message,
        device=device,
        sample=sample["id"],
        complaint=complaint,
        unit_office=office,
        reader_request=request.id,
        reader_asset=reader,
    )


async def _registered(person: Person, province: str) -> UUID:
    body = {"name": "โรงงานตัวอย่างนอกทะเบียน", "province": province}
    made = await person.post("/v1/factories", content=encode(body))
    assert made.status_code == 201, made.text
    return UUID(made.json()["id"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def things(world: World) -> dict[str, Things]:
    return {"11": await _things(world, "11"), "21": await _things(world, "21")}


@pytest.fixture(scope="module", autouse=True)
def _streams_end(app: Litestar) -> None:
    """A stream of events would go on, and its answer be waited for."""
    app.state.readers.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ended(world: World) -> Person:
    """A session that its owner has ended."""
    async with world.db.begin(Worker("test")) as tx:
        account = await accounts.account(tx, "department")
        _, tokens = await accounts.sign_in(tx, "department")
    person = Person(world.http, "ended", account, tokens.access_token)
    assert (await person.post("/v1/session/end")).status_code == 204
    return person


def _foreign(key: str, things: dict[str, Things]) -> Things:
    """Records outside of what `key` may see, whatever their roles are."""
    return (
        things["21"] if key not in ("inspector-elsewhere", "stranger", "ministry") else things["11"]
    )


def _unknown(province: str) -> Things:
    """Ids that nothing has, for those who see everything and must not change it."""
    made = {name: ids.new() for name in Things.__struct_fields__ if name != "province"}
    return Things(province=province, **made)


ID_OF = {
    "upload": "upload",
    "officer": "officer",
    "account": "account",
    "session": "session",
    "company": "company",
}
CODES = {"complaint_category": "odour"}


async def ask(person: Person, operation: str, things: Things) -> httpx.Response:
    method, path, _ = OPERATIONS[operation]
    own = ID_OF.get(operation.partition(".")[0].removesuffix("_member"), "")
    known = msgspec.structs.asdict(things)
    filled = {
        "factory": things.premises,
        "id": known.get(own, ids.new()),
        "number": 1,
        **dict.fromkeys(("attempt", "notice", "claim", "sealing_id", "handover"), ids.new()),
        **dict.fromkeys(("entry", "route", "appointment"), ids.new()),
        **dict.fromkeys(("me_too", "evidence_id"), ids.new()),
        "value": "3-106-33/50",
        "day": "2191-01-01",
        "code": CODES.get(operation.partition(".")[0], "ground/not-found"),
        "provider": "none",
        "office": "local-11-trial",
        "agency": "trial",
        "form": "original",
        **dict.fromkeys(("complaint", "client"), ids.new()),
        **dict.fromkeys(("intent", "reading"), ids.new()),
        "service": "odour.json",
        "token": "x.xml",
        "service_request": "1.json",
    } | {name: value for name, value in known.items() if name != "province"}
    url = path.format_map(filled)
    body = BODIES[operation](things) if operation in BODIES else None
    content = None if body is None else encode(body)
    headers = {"Content-Type": "application/json"} if content else {}
    if operation.startswith("upload."):
        headers, content = APPEND | {"Upload-Offset": "0"}, b"x"
    return await person.request(method, url, content=content, headers=headers, version=1)


def code_of(found: httpx.Response, of_head: str = "ground/sign-in-needed") -> str:
    """The problem's code; an answer to HEAD has no body to hold one."""
    if found.request.method == "HEAD":
        return of_head
    return str(found.json().get("code"))


def _reaches(key: str, verb: str) -> set[Reach]:
    return {PERMISSIONS[verb][role] for role in ROLES[key] if role in PERMISSIONS[verb]}


@pytest.mark.parametrize("operation", GUARDED)
async def test_nobody_and_an_ended_session_are_told_to_sign_in(
    world: World, ended: Person, things: dict[str, Things], operation: str
) -> None:
    found = await ask(world.nobody, operation, things["11"])
    if OPERATIONS[operation][2] in ANYONE:  # somebody else's complaint stays out of sight
        assert found.status_code == 404, found.text
    else:
        assert (found.status_code, code_of(found)) == (401, "ground/sign-in-needed")
    found = await ask(ended, operation, things["11"])
    assert (found.status_code, code_of(found, "accounts/session-ended")) == (
        401,
        "accounts/session-ended",
    )


@pytest.mark.parametrize("operation", GUARDED)
async def test_a_tracking_code_opens_its_own_complaint_and_nothing_else(
    world: World, things: dict[str, Things], operation: str
) -> None:
    """The holder of a code is nobody everywhere but at the complaint that it opens."""
    mine, id = secret(), ids.new()
    async with world.db.begin() as tx:
        await tx.run("delete from rate_limit where bucket like 'complaint:%'")
    assert (await tell(world.nobody, id, secret=mine)).status_code == 200
    found = await ask(by_code(world, mine), operation, things["11"])
    verb = OPERATIONS[operation][2]
    if verb in ANYONE:
        assert found.status_code == 404
    elif verb not in BY_CODE:
        assert (found.status_code, code_of(found)) == (401, "ground/sign-in-needed")
    elif "{complaint}" in OPERATIONS[operation][1]:
        assert found.status_code == 404, found.text
    else:
        assert found.status_code < 500, found.text


@pytest.mark.parametrize("operation", GUARDED)
async def test_without_the_verb_the_answer_is_403_whatever_is_asked(
    world: World, things: dict[str, Things], operation: str
) -> None:
    verb = OPERATIONS[operation][2]
    without = [key for key in KEYS if not _reaches(key, verb)]
    for key in without:
        for asked in (_foreign(key, things), things["11"], _unknown("11")):
            found = await ask(world[key], operation, asked)
            said = (found.status_code, code_of(found, "ground/not-allowed"))
            assert said == (403, "ground/not-allowed"), (key, found.text)
            assert not found.content or found.json()["verb"] == verb


@pytest.mark.parametrize("operation", GUARDED)
async def test_what_is_not_the_callers_does_not_exist(
    world: World, things: dict[str, Things], operation: str
) -> None:
    _, path, verb = OPERATIONS[operation]
    for key in KEYS:
        reaches = _reaches(key, verb)
        if not reaches or operation in ENDS_THE_CALLER:
            continue
        if Reach.all in reaches or operation in NOT_FOREIGN:
            found = await ask(world[key], operation, _unknown(things["11"].province))
            assert found.status_code not in (401, 403), (key, found.text)
            assert found.status_code < 500, (key, found.text)
            continue
        assert "{" in path or operation in BODIES, f"{operation}: which object is another's?"
        found = await ask(world[key], operation, _foreign(key, things))
        # Planning names premises in its body; that they do not exist is said of the body.
        wanted = {404, 422} if operation in ("visit.plan", "order.draft") else {404}
        assert found.status_code in wanted, (key, found.status_code, found.text)
        if operation in MAKES:
            continue
        missing = await ask(world[key], operation, _unknown(things["11"].province))
        assert _shape(missing) == _shape(found), (key, "tells that it exists", found.text)


def _shape(found: httpx.Response) -> tuple[int, dict[str, Any]]:
    """An answer without what differs from one request to the next."""
    body = found.json() if found.content else {}  # HEAD has none
    return found.status_code, {
        k: v
        for k, v in body.items()
        if k not in ("request_id", "visit", "finding", "order", "message", "device", "complaint")
    }


@pytest.mark.parametrize("operation", OPEN)
async def test_an_open_route_never_asks_who_is_there_and_never_breaks(
    world: World, ended: Person, things: dict[str, Things], operation: str
) -> None:
    for person in (world.nobody, ended, world.inspector, world.citizen):
        found = await ask(person, operation, things["11"])
        assert found.status_code not in (401, 403), found.text
        assert found.status_code < 500, found.text


@pytest.mark.parametrize("operation", sorted(BODIES))
def test_the_table_of_bodies_names_operations_that_exist(operation: str) -> None:
    assert operation in OPERATIONS


# --- the ones that matter most --------------------------------------------------------------------


async def test_the_auditor_reads_and_writes_nothing(
    world: World, db: Database, things: dict[str, Things]
) -> None:
    assert (await world.auditor.get(f"/v1/visits/{things['11'].visit}")).status_code == 200
    assert (await world.auditor.get(f"/v1/visits/{things['21'].visit}")).status_code == 200
    writing = [n for n in GUARDED if OPERATIONS[n][0] != "GET" and not n.startswith("session.")]
    for operation in writing:
        found = await ask(world.auditor, operation, things["11"])
        assert found.status_code == 403, (operation, found.text)
    async with db.read() as tx:
        wrote = await tx.values(
            "select distinct name from event where account = $1", world.auditor.account
        )
    # Opening a seal, and looking at somebody else's complaint, is told in the trail.
    reading = {"person.unsealed", "document.unsealed", "complaint.viewed"}
    reading |= {"complaint.export_begun", "complaint.exported"}
    reading |= {"reading.audited", "reading.export_begun", "reading.exported"}
    assert {name for name in wrote if not name.startswith("session.")} <= reading


async def test_the_ministry_sees_every_province_and_writes_nothing(
    world: World, things: dict[str, Things]
) -> None:
    for each in things.values():
        assert (await world.ministry.get(f"/v1/visits/{each.visit}")).status_code == 200
    for operation in ("visit.plan", "visit.accept", "sync.push", "finding.confirm"):
        assert (await ask(world.ministry, operation, things["11"])).status_code == 403


async def test_an_inspector_of_another_province_finds_nothing(
    world: World, things: dict[str, Things]
) -> None:
    far, here = world["inspector-elsewhere"], things["11"]
    for path in (f"/v1/visits/{here.visit}", f"/v1/visits/{here.visit}/pack"):
        assert (await far.get(path)).status_code == 404
    listed = (await far.get("/v1/visits?limit=200")).text
    assert str(here.visit) not in listed
    (pushed,) = await far.push(record(here.visit, answers=[answer("E08", "pass")]))
    assert pushed["status"] == "rejected"
    assert pushed["problem"]["code"] == "inspection/no-such-visit"
    assert str(here.visit) not in await _everything_pulled(far)
    seen = (await world.inspector.get(f"/v1/visits/{here.visit}")).json()
    assert [a["value"] for a in seen["answers"]] == ["fail"]


async def _everything_pulled(person: Person) -> str:
    text, cursor = "", None
    while True:
        page = await person.get("/v1/sync", params={"cursor": cursor} if cursor else {})
        assert page.status_code == 200, page.text
        text += page.text
        if not page.json()["more"]:
            return text
        cursor = page.json()["next"]


async def test_a_company_never_sees_another_companys_visit_or_factory(
    world: World, things: dict[str, Things]
) -> None:
    visit = await world.begun(await world.premises(company=True))
    await world.inspector.push(record(visit, answers=[answer("E08", "fail")]), submit(visit))
    version = (await world.head.get(f"/v1/visits/{visit}")).json()["version"]
    await world.head.post(f"/v1/visits/{visit}/take-up", version=version)
    done = await world.head.post(
        f"/v1/visits/{visit}/accept", version=version + 1, content=encode({"note": ""})
    )
    assert done.status_code == 200, done.text
    visit = await world.shown_as(visit)
    own = await world.operator.get(f"/v1/company/visits/{visit}")
    assert own.status_code == 200
    assert own.json()["findings"]
    assert (await world.stranger.get(f"/v1/company/visits/{visit}")).status_code == 404
    assert str(visit) not in (await world.stranger.get("/v1/company/visits?limit=200")).text
    assert str(visit) not in await _everything_pulled(world.stranger)
    assert str(visit) in await _everything_pulled(world.operator)


async def test_a_company_reaches_no_officers_view(world: World, things: dict[str, Things]) -> None:
    here = things["11"]  # at the operator's own factory
    for person in (world.operator, world.stranger, world.citizen):
        for path in (f"/v1/visits/{here.visit}", f"/v1/visits/{here.visit}/pack", "/v1/visits"):
            assert (await person.get(path)).status_code == 403
        assert (await person.get("/v1/officers")).status_code == 403
    assert (await world.citizen.get("/v1/sync")).status_code == 403


async def test_a_visit_before_acceptance_is_not_its_factorys_to_see(
    world: World, things: dict[str, Things]
) -> None:
    visit = things["11"].visit
    assert (await world.operator.get(f"/v1/company/visits/{visit}")).status_code == 404
    assert str(visit) not in (await world.operator.get("/v1/company/visits?limit=200")).text
    assert str(visit) not in await _everything_pulled(world.operator)


async def test_the_administrator_manages_people_and_sees_no_visit(
    world: World, things: dict[str, Things]
) -> None:
    assert (await world.administrator.get("/v1/officers")).status_code == 200
    assert (await world.administrator.get(f"/v1/visits/{things['11'].visit}")).status_code == 403
    assert (await world.administrator.get("/v1/sync")).status_code == 403


async def test_a_local_officer_sees_classes_one_and_two_of_their_own_area(
    world: World, things: dict[str, Things]
) -> None:
    small = await world.plan(await world.premises(class_=2))
    large = things["11"].visit
    assert (await world.local_officer.get(f"/v1/visits/{small}")).status_code == 200
    assert (await world.local_officer.get(f"/v1/visits/{large}")).status_code == 404
    listed = (await world.local_officer.get("/v1/visits?limit=200")).text
    assert str(large) not in listed


async def test_an_inspector_does_not_review_their_own_visit(world: World) -> None:
    visit = await world.begun()
    await world.inspector.push(submit(visit))
    version = (await world.head.get(f"/v1/visits/{visit}")).json()["version"]
    for action in ("take-up", "accept", "close", "cancel"):
        body = None if action == "take-up" else encode({"note": ""})
        found = await world.inspector.post(
            f"/v1/visits/{visit}/{action}", version=version, content=body
        )
        assert found.status_code == 403


async def test_nobody_ends_another_persons_session_but_the_administrator(
    world: World, things: dict[str, Things]
) -> None:
    for person in (world.inspector, world.head, world.operator):
        found = await person.request("DELETE", f"/v1/sessions/{things['11'].session}")
        assert found.status_code == 404
    async with world.db.read() as tx:
        session = things["11"].session
        assert await tx.value("select ended_at from session where id = $1", session) is None


async def test_a_rumour_is_answered_like_nothing(world: World, things: dict[str, Things]) -> None:
    """Whether an id exists cannot be read from an answer to someone who may not know."""
    far = world["inspector-elsewhere"]
    real = await far.get(f"/v1/visits/{things['11'].visit}")
    none = await far.get(f"/v1/visits/{ids.new()}")
    assert (real.status_code, sorted(real.json())) == (none.status_code, sorted(none.json()))
    assert real.json()["title"] == none.json()["title"]
    assert real.headers.keys() == none.headers.keys()
    (a,) = await far.push(record(things["11"].visit, start=gate()))
    (b,) = await far.push(record(ids.new(), start=gate()))
    assert a["problem"]["code"] == b["problem"]["code"]


async def test_an_operation_id_of_a_colleague_is_nobody_elses_to_know(world: World) -> None:
    visit = await world.begun()
    op = record(visit, answers=[answer("E08", "pass")])
    await world.inspector.push(op)
    (seen,) = await world["inspector-2"].push(op)
    assert seen["status"] == "rejected"
    assert seen["problem"]["code"] == "sync/no-such-operation"
    assert "receipt" not in seen
    assert str(now().year) not in json.dumps(seen).replace(str(op["id"]), "")


def test_every_guarded_route_is_in_the_sweep(app: Litestar) -> None:
    guarded = {
        str(handler.operation_id)
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if handler.opt.get("verb", "public") != "public"
    }
    assert guarded == set(GUARDED)
