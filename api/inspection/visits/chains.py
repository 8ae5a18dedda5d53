"""Samples with their chains, read together: for views, results and documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from api import sealed
from api.db import Tx
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import custody, sample_queries
from api.inspection.visits.custody import Bearers, HandOver, LaboratoryResult, Sample
from api.inspection.visits.sample_queries import HandOverRow
from api.inspection.visits.views import CurrentAnswer

_flags = msgspec.json.Decoder(list[Flag])
_position = msgspec.json.Decoder(dict[str, Any])
_bearers = msgspec.json.Decoder(Bearers)


class Chains(msgspec.Struct):
    """The samples of a visit, and all results, also those that no sample belongs to."""

    samples: list[Sample]
    results: list[LaboratoryResult]


async def of_visits(tx: Tx, visits: Sequence[UUID]) -> dict[UUID, Chains]:
    """Visit → its samples, for every one of `visits`."""
    found = {visit: Chains([], []) for visit in visits}
    for result in await sample_queries.results(tx, visits):
        found[result.visit].results.append(result)
    rows = await sample_queries.samples(tx, visits)
    if not rows:
        return found
    links: dict[UUID, list[HandOver]] = {}
    for link in await sample_queries.handovers(tx, visits):
        links.setdefault(link.sample, []).append(view(link))
    for row in rows:
        fields = msgspec.structs.asdict(row)
        fields["position"] = _position.decode(row.position) if row.position else None
        fields["flags"] = _flags.decode(row.flags)
        found[row.visit].samples.append(Sample(**fields, handovers=links.get(row.id, [])))
    for chains in found.values():
        join(chains)
    return found


def join(chains: Chains) -> None:
    """Gives each sample its results, and says where its chain is broken."""
    for result in chains.results:
        sample = custody.matched(chains.samples, result)
        if sample is not None:
            sample.results = [*sample.results, result]
    for sample in chains.samples:
        sample.breaks = custody.breaks(sample)


def mark(answers: Iterable[CurrentAnswer], chains: Chains) -> None:
    """Puts what the chains say now in the place of what they said when each result came."""
    results = {result.operation: result for result in chains.results}
    for answer in answers:
        if (result := results.get(answer.operation)) is not None:
            others = [f for f in answer.flags if not f.code.startswith("custody.")]
            answer.flags = [*others, *custody.of_result(chains.samples, result)]


def view(row: HandOverRow) -> HandOver:
    fields = msgspec.structs.asdict(row)
    del fields["sample"], fields["people"], fields["hash"]
    return HandOver(**fields | {"flags": _flags.decode(row.flags)})


async def people(tx: Tx, rows: Sequence[HandOverRow], purpose: str) -> list[Bearers]:
    """Who gave and took at each of `rows` that says it; opening the seals is an event."""
    closed = [sealed.Sealed(cell(r.id), r.people) for r in rows if r.people is not None]
    texts = await sealed.unseal_many(tx, closed, purpose=purpose) if closed else []
    return [_bearers.decode(text) for text in texts]


def cell(handover: UUID) -> sealed.Cell:
    return sealed.Cell("sample_handover", "people", handover)
