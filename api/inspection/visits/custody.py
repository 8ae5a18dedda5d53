"""Samples (s.35(2)) and their chains of custody: shapes, problems, what breaks a chain. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from api.clock import Moment
from api.inspection.checklists.rule_values import Flag
from api.problems import Conflict, NotFound

OWNER = "sample"
"""What owns the evidence of a hand-over."""
NO_NUL = r"^[^\x00]*$"
Text = Annotated[str, Meta(max_length=2000, pattern=NO_NUL)]
Line = Annotated[str, Meta(max_length=300, pattern=NO_NUL)]
Said = Annotated[str, Meta(min_length=1, max_length=300, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]

# --- on the wire --------------------------------------------------------------------------------


class Party(msgspec.Struct, forbid_unknown_fields=True):
    """Who gave or took a sample: office, carrier or laboratory, and the person, who is sealed."""

    organisation: Said
    name: Line = ""


class HandOverSample(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One link of the chain, as the officer who writes it down claims it."""

    giver: Party
    receiver: Party
    handed_at: Moment
    condition: Text = ""
    seal_intact: bool | None = None
    evidence: Annotated[list[UUID], Meta(max_length=20)] = []


class HandOver(msgspec.Struct, kw_only=True):
    """A link of a chain; `handed_at` is a claim, `received_at` when it became known here."""

    id: UUID
    n: int
    giver: str
    receiver: str
    handed_at: Moment
    received_at: Moment
    officer: UUID
    condition: str
    seal_intact: bool | None
    evidence: list[UUID]
    flags: list[Flag]


class LaboratoryResult(msgspec.Struct):
    """What a laboratory reported; the value is the answer of `operation` to `item`."""

    visit: UUID
    operation: UUID
    item: str
    number: str
    laboratory: str
    report_no: str
    reported_at: Moment | None
    received_at: Moment


class Sample(msgspec.Struct, kw_only=True):
    """A sample with its chain as it stands now.

    `breaks` says where the chain is broken; a result with a broken chain is a result all the same.
    """

    id: UUID
    visit: UUID
    items: list[str]
    number: str
    what: str
    place: str
    seal: str
    taken_by: UUID | None
    taken_at: Moment | None
    author: UUID
    received_at: Moment
    position: dict[str, Any] | None
    photographs: list[UUID]
    note: str
    late: bool
    flags: list[Flag]
    handovers: list[HandOver] = []
    results: list[LaboratoryResult] = []
    breaks: list[Flag] = []


class Bearers(msgspec.Struct):
    """Who gave and who took a sample at one hand-over; opened from its seal."""

    handover: UUID
    giver: str = ""
    receiver: str = ""


class SamplePeople(msgspec.Struct):
    """Everyone through whose hands a sample went; that it was opened is an event."""

    sample: UUID
    handovers: list[Bearers]


# --- rules --------------------------------------------------------------------------------------


def breaks(sample: Sample) -> list[Flag]:
    """Where the chain of a sample is broken: a hand-over is missing, a seal was broken, time runs
    backwards. `n` numbers the links."""
    found, chain, before = [], sample.handovers, sample.taken_at
    if not sample.seal.strip():
        found.append(Flag("custody.unsealed"))
    for link in chain:
        if link.seal_intact is False:
            found.append(Flag("custody.seal_broken", {"n": link.n}))
        if before is not None and link.handed_at < before:
            found.append(Flag("custody.time_backwards", {"n": link.n}))
        before = link.handed_at
    for earlier, later in pairwise(chain):
        if _folded(earlier.receiver) != _folded(later.giver):
            found.append(Flag("custody.gap", {"n": later.n}))
    for result in sample.results:
        facts = {"item": result.item}
        if not chain:
            found.append(Flag("custody.no_handover", facts))
        elif result.laboratory.strip() and _folded(chain[-1].receiver) != _folded(
            result.laboratory
        ):
            found.append(Flag("custody.not_at_laboratory", facts))
        if before is not None and result.reported_at is not None and result.reported_at < before:
            found.append(Flag("custody.time_backwards", facts))
    return found


def matched(samples: Sequence[Sample], result: LaboratoryResult) -> Sample | None:
    """The sample that a result is of: by its number, else the only one taken for the item."""
    for_item = [s for s in samples if result.item in s.items]
    named = [s for s in for_item if _folded(s.number) == _folded(result.number)]
    if named:
        return named[0]
    return for_item[0] if len(for_item) == 1 else None


def of_result(samples: Sequence[Sample], result: LaboratoryResult) -> list[Flag]:
    """What the chain says of one result: the flags that its answer carries."""
    sample = matched(samples, result)
    if sample is None:
        return [Flag("custody.no_sample", {"number": result.number})]
    other = _folded(sample.number) != _folded(result.number)
    found = [Flag("custody.other_number", {"taken": sample.number})] if other else []
    return found + [f for f in sample.breaks if f.facts.get("item", result.item) == result.item]


def same_number(samples: Sequence[Sample], number: str) -> bool:
    return any(_folded(s.number) == _folded(number) for s in samples)


def _folded(text: str) -> str:
    """Case and spaces make no difference."""
    return "".join(text.split()).casefold()


# --- problems -----------------------------------------------------------------------------------


class SampleNotFound(
    NotFound, code="inspection/no-such-sample", th="ไม่พบตัวอย่างนี้", en="There is no such sample"
):
    """No such sample, or none that the caller may know of."""


class HandOverExists(
    Conflict,
    code="inspection/handover-exists",
    th="มีการส่งมอบรหัสนี้แล้วด้วยข้อมูลอื่น",
    en="A hand-over with this id exists with other content",
    constraints=("sample_handover_pkey",),
):
    """What is written of a chain stays; write another link to put it right."""
