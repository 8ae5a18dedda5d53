"""How an order ends: in time, late, extended, stayed, judged breached, complied with, or undone."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from api import deadlines, permissions, workdays
from api.accounts import service as accounts
from api.accounts.model import Power
from api.clock import bangkok_date
from api.db import Tx
from api.documents.model import Force
from api.inspection.orders import (
    counting,
    move_queries,
    outcome_queries,
    proofs,
    queries,
    reading,
    serving_queries,
    succession,
)
from api.inspection.orders import subject_queries as subject
from api.inspection.orders.model import (
    MOVES,
    NO_NUL,
    NOTICES,
    TIMED,
    Breach,
    Evidence,
    OrderKind,
    OrderState,
    Row,
    Said,
    Stay,
    Text,
)
from api.inspection.orders.problems import (
    AppealExists,
    DateWrong,
    NotForThisKind,
    NoticesMissing,
    NotLater,
    OrderExists,
    OrderNotFound,
    OrderSealed,
    SubjectUnknown,
)
from api.inspection.orders.reading import APPEAL, DUE
from api.inspection.orders.views import CompanyOrder, Order
from api.inspection.visits import reading as visits
from api.inspection.visits import service as visit_service
from api.inspection.visits.model import VisitRow, VisitState
from api.permissions import Session

PENALTY = {
    OrderKind.correct: "พ.ร.บ.โรงงาน พ.ศ. 2535 ม.57",
    OrderKind.stop: "พ.ร.บ.โรงงาน พ.ศ. 2535 ม.55",
    OrderKind.close: "พ.ร.บ.โรงงาน พ.ศ. 2535 ม.55",
}
Reason = Annotated[str, Meta(min_length=1, max_length=20_000, pattern=NO_NUL)]
LONGEST = timedelta(days=3650)


class Extension(msgspec.Struct, forbid_unknown_fields=True):
    """More time, until the end of the Bangkok day `until`, or of the first working day after it."""

    until: date
    reason: Reason


class Verification(msgspec.Struct, forbid_unknown_fields=True):
    """What the officer saw at a follow-up visit about one finding of the order."""

    visit: UUID
    corrected: bool
    note: Text = ""


class CorrectionClaim(msgspec.Struct, forbid_unknown_fields=True):
    """The factory says that it has corrected, and asks for closing."""

    note: Text = ""
    evidence: Evidence = []


class FileAppeal(msgspec.Struct, forbid_unknown_fields=True):
    """An appeal to the Minister, as it was received."""

    filed_on: date
    grounds: Text = ""


class DecideAppeal(msgspec.Struct, forbid_unknown_fields=True):
    """What the Minister, or a court, decided."""

    annulled: bool
    decided_on: date
    decision: Said


async def run_out(tx: Tx, id: UUID) -> None:
    """The clock `order.due`: the time to correct is over. Whether that is a breach is judged."""
    row = await reading.row(tx, id, "order.read")
    to = MOVES.get(("run_out", row.state))
    if to is None or row.stay is not None or await counting.postpone_due(tx, row):
        return
    row.state = to
    await move_queries.move(tx, id, to)
    await reading.tell(tx, row, "order.overdue")


async def appeal_over(tx: Tx, id: UUID) -> None:
    """The clock `order.appeal`: thirty days from knowing the order have passed."""
    row = await reading.row(tx, id, "order.read")
    if not await counting.postpone_appeal(tx, row):
        await reading.tell(tx, row, "order.appeal_time_over")


async def extend(tx: Tx, id: UUID, version: int, wanted: Extension) -> Order:
    """More time to correct, with its reason. Raises `NotLater`."""
    row = await reading.moving(tx, id, version, "extend", "order.decide")
    await _authority(tx, row)
    if wanted.until > bangkok_date(tx.now) + LONGEST:
        raise DateWrong(until=wanted.until)
    special = await workdays.special_days(tx, bangkok_date(tx.now))
    due = workdays.end_of(workdays.working_from(wanted.until, special))
    if row.due_at is None or due <= max(row.due_at, tx.now):
        raise NotLater()
    if row.stay is not None:
        raise OrderSealed(state="stayed")
    await move_queries.insert_extension(tx, id, row.due_at, due, wanted.reason, reading.account(tx))
    await move_queries.extend(tx, id, due)
    await deadlines.start(tx, DUE, id, due)
    return await reading.told(tx, row, "order.extended", {"until": wanted.until})


async def find_breach(tx: Tx, id: UUID, version: int, judged: Breach) -> Order:
    """The head's judgement that the order was disobeyed; what follows from it (s.39) never follows
    by itself. A time to correct must have run out; a stop or closure is disobeyed at once."""
    await tx.lock([id])
    row = await reading.row(tx, id, "order.decide")
    if row.kind == OrderKind.resume:
        raise NotForThisKind(kind=row.kind)
    at_once = row.kind != OrderKind.correct and row.state == OrderState.served
    move = "find_disobeyed" if at_once else "find_breach"
    row = await reading.moving(tx, id, version, move, "order.decide")
    if row.stay is not None:
        raise OrderSealed(state="stayed")
    await _need_notices(tx, row)
    judged.penalty = PENALTY[row.kind]
    await move_queries.move(tx, id, row.state, breach=msgspec.json.encode(judged).decode())
    facts = {"wilful": judged.wilful, "serious_danger": judged.serious_danger}
    return await reading.told(tx, row, "order.breached", facts)


async def _need_notices(tx: Tx, row: Row) -> None:
    """s.40: nobody disobeys a stop or closure that was not posted where everyone sees it."""
    if row.kind in (OrderKind.stop, OrderKind.close):
        posted = (await serving_queries.notices(tx, [row.id])).get(row.id, 0)
        if posted < NOTICES:
            raise NoticesMissing(needed=NOTICES, posted=posted)


async def verify(tx: Tx, id: UUID, finding: UUID, seen: Verification) -> Order:
    """An officer saw, at a visit, whether a finding was corrected. With the last one the order is
    complied with. Raises `SubjectUnknown` for another site's visit or another order's finding."""
    await tx.lock([id])
    row = await reading.row(tx, id, "order.verify")
    held = {f.finding: f for f in await queries.findings_of(tx, [id])}
    before = held.get(finding)
    if before and before.corrected and seen.corrected and before.verified_visit == seen.visit:
        return await reading.order(tx, id)  # sent again
    row = await reading.moving(tx, id, None, "verify", "order.verify")
    visit = await visits.row(tx, seen.visit, "visit.read")
    same = await subject.stands_at(tx, visit.premises) == await subject.stands_at(tx, row.premises)
    if before is None or not same or not _looked_again(row, before, visit):
        raise SubjectUnknown()
    if before.corrected:
        raise OrderSealed(state=row.state, reason="verified as corrected before")
    if not await queries.verify_finding(
        tx,
        id,
        finding,
        by=reading.account(tx),
        visit=seen.visit,
        corrected=seen.corrected,
        note=seen.note,
    ):
        raise SubjectUnknown()
    if seen.corrected:
        await visit_service.resolve_finding(tx, finding)
    facts = {"finding": finding, "visit": seen.visit, "corrected": seen.corrected}
    await reading.tell(tx, row, "order.verified", facts)
    # A stop ends by an order to resume, a closure not at all.
    if row.kind == OrderKind.correct and all(
        f.corrected for f in await queries.findings_of(tx, [id])
    ):
        await _complied(tx, row, "all findings were verified as corrected")
    return await reading.order(tx, id)


def _looked_again(row: Row, finding: queries.Verified, visit: VisitRow) -> bool:
    """Whether `visit` is one of the same factory after the one that found it, not before the day
    of the signature."""
    assert row.signed_at is not None
    return (
        visit.licence in (None, row.licence)
        and visit.state not in (VisitState.planned, VisitState.cancelled)
        and visit.id not in (row.visit, finding.visit)
        and visit.started_at is not None
        and bangkok_date(visit.started_at) >= bangkok_date(row.signed_at)
    )


async def _authority(tx: Tx, row: Row) -> None:
    """What the Permanent Secretary ordered (s.39), no other than they or a delegate changes."""
    if row.kind != OrderKind.correct:
        power = Power.stop_operation
        await accounts.require_authority(
            tx, power, "39", factory_class=row.class_, province=row.province
        )


async def comply(tx: Tx, id: UUID, version: int, why: str) -> Order:
    """The head ends an order that was obeyed, such as one without findings.

    A stop ends by an order to resume, a closure by nothing. Raises `NotForThisKind`.
    """
    row = await reading.moving(tx, id, version, "comply", "order.decide")
    if row.kind in (OrderKind.stop, OrderKind.close):
        raise NotForThisKind(kind=row.kind)
    if not all(f.corrected for f in await queries.findings_of(tx, [id])):
        raise OrderSealed(state=row.state, reason="findings are not verified")
    await _complied(tx, row, why)
    return await reading.order(tx, id)


async def _complied(tx: Tx, row: Row, why: str) -> None:
    row.state = OrderState.complied
    await move_queries.move(tx, row.id, row.state, why=why)
    await reading.stop_clocks(tx, row.id)
    await reading.set_force(tx, row, Force.fulfilled, "order.complied")
    await reading.tell(tx, row, "order.complied")


async def revoke(tx: Tx, id: UUID, version: int, why: str) -> Order:
    """The order is withdrawn by the office itself (Administrative Procedure Act s.49–50)."""
    row = await reading.moving(tx, id, version, "revoke", "order.decide")
    await _authority(tx, row)
    await move_queries.move(tx, id, row.state, why=why)
    await reading.stop_clocks(tx, id, appeal=True)
    await reading.set_force(tx, row, Force.revoked, "order.revoked")
    await reading.tell(tx, row, "order.revoked")
    await succession.undo(tx, row)
    return await reading.order(tx, id)


# --- stay and appeal (s.41) ---------------------------------------------------------------------


async def stay(tx: Tx, id: UUID, version: int, wanted: Stay) -> Order:
    """The Minister or a court orders a stay: the time to correct stands still."""
    row = await reading.moving(tx, id, version, "stay", "order.decide")
    if row.stay is not None:
        raise OrderSealed(state="stayed")
    wanted.since = tx.now
    wanted.left_s = None
    if row.due_at is not None:
        wanted.left_s = max((row.due_at - tx.now).total_seconds(), 0)
    await move_queries.set_stay(tx, id, msgspec.json.encode(wanted).decode(), row.due_at)
    await deadlines.meet(tx, DUE, id)
    await reading.set_force(tx, row, Force.stayed, "order.stayed")
    return await reading.told(tx, row, "order.stayed", {"by": wanted.by})


async def end_stay(tx: Tx, id: UUID, version: int) -> Order:
    """The stay is over: what was left of the time runs on."""
    row = await reading.moving(tx, id, version, "end_stay", "order.decide")
    held = reading.stay_of(row)
    if held is None:
        raise OrderSealed(state=row.state)
    due: datetime | None = None
    if held.left_s is not None:
        if held.left_s == 0:
            due = row.due_at
        else:
            end = tx.now + timedelta(seconds=held.left_s) - timedelta(microseconds=1)
            special = await workdays.special_days(tx, bangkok_date(tx.now))
            due = workdays.end_of(workdays.working_from(bangkok_date(end), special))
        if due is not None and row.kind in TIMED and row.state == OrderState.served:
            await deadlines.start(tx, DUE, id, due)
    await move_queries.set_stay(tx, id, None, due)
    await reading.set_force(tx, row, Force.in_force, "order.stay_ended")
    return await reading.told(tx, row, "order.stay_ended")


async def file_appeal(tx: Tx, id: UUID, wanted: FileAppeal) -> Order:
    """An appeal was received; a late one is recorded as late, for the Minister to judge."""
    row = await reading.moving(tx, id, None, "file_appeal", "order.appeal")
    assert row.signed_at is not None
    if not bangkok_date(row.signed_at) <= wanted.filed_on <= bangkok_date(tx.now):
        raise DateWrong(filed_on=wanted.filed_on)
    until = row.appeal_until
    late = until is not None and workdays.end_of(wanted.filed_on) > until
    if await outcome_queries.insert_appeal(
        tx, id, wanted.filed_on, late, wanted.grounds, reading.account(tx)
    ):
        await deadlines.meet(tx, APPEAL, id)
        await reading.tell(tx, row, "order.appealed", {"late": late})
    else:
        held = await outcome_queries.appeal(tx, id)
        if held is None or (held.filed_on, held.grounds) != (wanted.filed_on, wanted.grounds):
            raise AppealExists(order=id)
    return await reading.order(tx, id)


async def decide_appeal(tx: Tx, id: UUID, version: int, wanted: DecideAppeal) -> Order:
    """The decision on the appeal, which is final (s.41); a court's comes the same way."""
    move = "annul" if wanted.annulled else "uphold"
    row = await reading.moving(tx, id, version, move, "order.decide")
    held = await outcome_queries.appeal(tx, id)
    if held is not None and not held.filed_on <= wanted.decided_on <= bangkok_date(tx.now):
        raise DateWrong(decided_on=wanted.decided_on)
    outcome = "annulled" if wanted.annulled else "upheld"
    if not await outcome_queries.decide_appeal(
        tx, id, outcome, wanted.decided_on, wanted.decision, reading.account(tx)
    ):
        raise OrderSealed(state=row.state, reason="no appeal is open")
    if wanted.annulled:
        await move_queries.move(tx, id, row.state, why=wanted.decision)
        await reading.stop_clocks(tx, id, appeal=True)
        await reading.set_force(tx, row, Force.annulled, "order.annulled")
    await reading.tell(tx, row, f"order.{outcome}")
    if wanted.annulled:
        await succession.undo(tx, row)
    return await reading.order(tx, id)


# --- the company --------------------------------------------------------------------------------


async def claim_correction(tx: Tx, id: UUID, claim: UUID, wanted: CorrectionClaim) -> CompanyOrder:
    """The company says that it has corrected; sent twice it is said once."""
    permissions.reaches(tx.actor, "company_order.correct")
    assert isinstance(tx.actor, Session)
    await tx.lock([id])
    row = await queries.order(tx, id, permissions.Scope(provinces=None))
    if row is None or row.company not in tx.actor.companies or row.served_at is None:
        raise OrderNotFound(order=id)
    if ("claim_correction", row.state) not in MOVES:
        raise OrderSealed(state=row.state)
    if await outcome_queries.insert_claim(
        tx, claim, id, tx.actor.account, wanted.note, wanted.evidence
    ):
        await proofs.claim(tx, row, "correction", claim, wanted.evidence, shown=True)
        await reading.tell(tx, row, "order.correction_claimed", {"claim": claim})
    elif not await outcome_queries.same_claim(tx, claim, id, wanted.note, wanted.evidence):
        raise OrderExists(claim=claim)
    return await reading.company_order(tx, id)
