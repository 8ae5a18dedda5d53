"""Taking a sample in the field and handing it over: every link of its chain of custody is a row.

The taking is an operation of the phone, kept whatever is odd about it. A hand-over is written down
at a desk. A broken chain is a flag on the laboratory's result and never a refusal.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from uuid import UUID

import msgspec

from api import events, keys, permissions, sealed, settings
from api.db import Tx
from api.evidence import service as evidence
from api.evidence.model import EvidenceUnknown
from api.inspection.checklists import rules
from api.inspection.checklists import service as checklists
from api.inspection.checklists import standard as std
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import chains, custody, entry, reading, sample_queries, steps
from api.inspection.visits import evidence as visit_evidence
from api.inspection.visits.custody import (
    Bearers,
    HandOverExists,
    HandOverSample,
    LaboratoryResult,
    Sample,
    SampleNotFound,
    SamplePeople,
)
from api.inspection.visits.model import ENDED, Held, VisitNotFound, VisitRow, VisitState
from api.inspection.visits.operations import AddResult, TakeSample
from api.inspection.visits.steps import Applied
from api.permissions import Role, Session
from api.problems import Malformed

MOST = 100
"""So many items and photographs of one sample are looked at."""
_place = msgspec.json.Decoder(visit_evidence.Subject)


# --- in the field -------------------------------------------------------------------------------


async def take_sample(
    tx: Tx, op: TakeSample, visits: dict[UUID, Held], odd: Sequence[Flag]
) -> Applied:
    """Keeps that a sample was taken, in whatever state the visit is; its id is the operation's.

    Raises `VisitNotFound`, `NotOnTeam`.
    """
    actor = steps.officer(tx, "visit.take_sample")
    visit = steps.find(visits, op.visit).visit
    steps.on_team(visit, actor)
    compiled = await checklists.compiled(tx, visit.checklist, visit.extra_items)
    before = (await chains.of_visits(tx, [visit.id]))[visit.id].samples
    odd = [*odd, *_cut(op)]
    flags = [*odd, *_odd(tx, op, visit, compiled, before)]
    taken_by = op.officer or actor.account
    if taken_by not in visit.team:
        flags.append(Flag("sample.taker_not_on_team", {"officer": str(taken_by)}))
    for photograph in op.photographs:
        flags += await _photograph(tx, visit, photograph)
    late = visit.state in ENDED
    entry.add_flags(visit, flags)
    await sample_queries.insert_sample(
        tx,
        visit,
        op,
        author=actor.account,
        taken_by=taken_by if taken_by in visit.team else None,
        late=late,
        flags=flags,
    )
    await _tell(tx, visit, "visit.sample_taken", {"sample": op.id, "late": late})
    return Applied(flags, [])


def _cut(op: TakeSample) -> list[Flag]:
    """Lists longer than any sample's are cut; the bytes as sent are kept whole."""
    flags = []
    for name in ("items", "photographs"):
        sent = getattr(op, name)
        if len(sent) > MOST:
            setattr(op, name, sent[:MOST])
            flags.append(Flag("sample.too_many", {"of": name, "count": len(sent)}))
    return flags


def _odd(
    tx: Tx, op: TakeSample, visit: VisitRow, compiled: rules.Compiled, before: Sequence[Sample]
) -> list[Flag]:
    flags = []
    if visit.state in ENDED:
        flags.append(Flag("arrived.after_end", {"state": visit.state}))
    elif visit.state in (VisitState.submitted, VisitState.in_review):
        flags.append(Flag("arrived.late", {"state": visit.state}))
    if not op.items:
        flags.append(Flag("sample.item_missing"))
    for code in op.items:
        found = compiled.item(code)
        if found is None:
            flags.append(Flag("item.unknown", {"item": code}))
        elif found.item.answered != "laboratory" and not isinstance(found.item.answer, std.Sample):
            flags.append(Flag("sample.not_for_laboratory", {"item": code}))
    if not op.number.strip():
        flags.append(Flag("sample.number_missing"))
    elif custody.same_number(before, op.number):
        flags.append(Flag("sample.number_twice"))
    if not op.seal.strip():
        flags.append(Flag("sample.seal_missing"))
    if op.taken_at is None:
        flags.append(Flag("sample.time_missing"))
    else:
        skew = settings.current().clock_skew_s
        flags += entry.clock_flags(op.taken_at, tx.now, skew, "sample")
    if visit.started_at is None or (op.taken_at is not None and op.taken_at < visit.started_at):
        flags.append(Flag("sample.before_start"))
    if op.position is not None:
        where = _place.decode(visit.subject).position
        registered = None if where is None else (where.lat, where.lng)
        limit = settings.current().gate_distance_m
        flags += entry.position_flags(op.position, op.taken_at or tx.now, registered, limit)
    return flags


async def _photograph(tx: Tx, visit: VisitRow, id: UUID) -> list[Flag]:
    """What is odd about a photograph, if it is here; on its way it is nothing odd."""
    try:
        found = await evidence.one(tx, id)
    except EvidenceUnknown:
        return []
    if not found.claimed:
        await visit_evidence.claim_soon(tx, id)
        mine = found.account in visit.team
    else:
        mine = (found.owner_kind, found.owner) == (visit_evidence.OWNER, visit.id)
    return [] if mine else [Flag("sample.photograph_foreign", {"evidence": str(id)})]


async def reported(tx: Tx, op: AddResult, visit: VisitRow, awaited: Sequence[object]) -> list[Flag]:
    """Keeps a laboratory's report beside the answer that it becomes; what its chain says of it."""
    numbers = [v["sample"] for v in awaited if isinstance(v, dict) and v.get("sample")]
    number = numbers[0] if numbers and isinstance(numbers[0], str) else ""
    result = LaboratoryResult(
        visit=visit.id,
        operation=op.id,
        item=op.item,
        number=number,
        laboratory=op.laboratory,
        report_no=op.report_no,
        reported_at=op.reported_at,
        received_at=tx.now,
    )
    await sample_queries.insert_result(tx, result)
    samples = (await chains.of_visits(tx, [visit.id]))[visit.id].samples
    return custody.of_result(samples, result)


# --- from hand to hand --------------------------------------------------------------------------


async def hand_over(tx: Tx, sample: UUID, id: UUID, wanted: HandOverSample) -> Sample:
    """Adds a link to a chain under the sender's id; the same again is the same link.

    Raises `SampleNotFound`, `HandOverExists`, `EvidenceUnknown`, `EvidenceTaken`.
    """
    visit = await _visit(tx, sample, "sample.hand_over")
    if not 1900 <= wanted.handed_at.year <= 2200:  # no calendar of ours can reckon with it
        raise Malformed(reason="no time of this age", where="handed_at")
    assert isinstance(tx.actor, Session)
    await tx.lock([sample, visit.id])
    rows = await sample_queries.handovers(tx, [visit.id])
    digest = _digest(sample, wanted)
    before = next((row for row in rows if row.id == id), None)
    if before is not None:
        if before.sample != sample or not hmac.compare_digest(before.hash, digest):
            raise HandOverExists(handover=id)
        return await _read(tx, visit.id, sample)
    skew = settings.current().clock_skew_s
    flags = entry.clock_flags(wanted.handed_at, tx.now, skew, "handover")
    await _claim(tx, tx.actor, visit, sample, wanted.evidence)
    bearers = Bearers(id, wanted.giver.name, wanted.receiver.name)
    people = None
    if bearers != Bearers(id):
        text = msgspec.json.encode(bearers).decode()
        people = await sealed.seal(tx, visit.data_key, chains.cell(id), text)
    await sample_queries.insert_handover(
        tx,
        visit.id,
        sample,
        id,
        1 + sum(row.sample == sample for row in rows),
        wanted,
        officer=tx.actor.account,
        people=people,
        flags=flags,
        digest=digest,
    )
    await _tell(tx, visit, "visit.sample_handed_over", {"sample": sample, "handover": id})
    return await _read(tx, visit.id, sample)


async def _claim(
    tx: Tx, actor: Session, visit: VisitRow, sample: UUID, ids: Sequence[UUID]
) -> None:
    """Evidence of the caller's, or of their office; somebody else's does not exist for them."""
    for id in ids:
        sender = (await evidence.one(tx, id)).account
        if sender is None or (
            sender != actor.account
            and (
                actor.office is None
                or Role.operator in actor.roles
                or await sample_queries.office_of(tx, sender) != actor.office
            )
        ):
            raise EvidenceUnknown(evidence=[str(id)])
    if ids:
        await evidence.claim(
            tx,
            sorted(set(ids)),
            owner_kind=custody.OWNER,
            owner=sample,
            province=visit.province,
            class_=visit.class_,
            company=None,
            visible_to_company=False,
        )


async def read(tx: Tx, sample: UUID) -> Sample:
    """A sample with its chain; raises `SampleNotFound` out of the caller's reach."""
    return await _read(tx, (await _visit(tx, sample, "sample.read")).id, sample)


async def open_people(tx: Tx, sample: UUID) -> SamplePeople:
    """Through whose hands it went; opening the seals is an event."""
    visit = await _visit(tx, sample, "visit.unseal")
    rows = [r for r in await sample_queries.handovers(tx, [visit.id]) if r.sample == sample]
    return SamplePeople(sample, await chains.people(tx, rows, "sample.people"))


async def _visit(tx: Tx, sample: UUID, verb: str) -> VisitRow:
    permissions.reaches(tx.actor, verb)
    visit = await sample_queries.visit_of(tx, sample)
    if visit is None:
        raise SampleNotFound()
    try:
        return await reading.row(tx, visit, verb)
    except VisitNotFound:
        raise SampleNotFound() from None


async def _read(tx: Tx, visit: UUID, sample: UUID) -> Sample:
    found = (await chains.of_visits(tx, [visit]))[visit].samples
    return next(each for each in found if each.id == sample)


async def _tell(tx: Tx, visit: VisitRow, event: str, facts: dict[str, object]) -> None:
    await events.record(
        tx, event, "visit", visit.id, scopes=[events.province(visit.province)], facts=facts
    )


def _digest(sample: UUID, wanted: HandOverSample) -> bytes:
    raw = sample.bytes + msgspec.json.encode(wanted, order="sorted")
    return hmac.digest(keys.ring().derive("sample_handover"), raw, hashlib.sha256)
