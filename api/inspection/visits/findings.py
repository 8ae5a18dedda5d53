"""What the answers of a visit amount to: its findings, raised, changed or withdrawn.

A function of all versions of the answers, so that it does not matter which phone was first.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from api import ids
from api.db import Tx
from api.inspection.checklists import rules
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import merge, queries
from api.inspection.visits.model import Finding, FindingState, Held, Version


class Judged(NamedTuple):
    """Verdicts by item, and the answers to all items under which they were found."""

    answers: Mapping[str, Any]
    verdicts: Mapping[str, rules.Verdict]

    def under(self, answers: Mapping[str, Any]) -> bool:
        """Whether `answers` are the very same values: equal ones may differ in type (1, True)."""
        mine = self.answers
        return len(answers) == len(mine) and all(map(is_, map(answers.get, mine), mine.values()))


async def settle(
    tx: Tx,
    held: Held,
    items: set[str],
    compiled: rules.Compiled,
    subject: Mapping[str, Any],
    judged: Judged,
    flags: list[Flag],
) -> tuple[list[Finding], list[str]]:
    """The findings that change because `items` changed, and which of `items` conflict.

    A function of all versions, so that it does not matter which phone was first. An item whose
    answers conflict has its finding as long as one of them fails. `judged` saves judging again
    where the answers as they stand are those that were judged.
    """
    touched = items.union(*(compiled.dependents[i] for i in items & compiled.dependents.keys()))
    known, verdicts = judged
    standing: dict[str, list[Version]] = {}
    if len(known) != len(held.versions) or any(len(held.versions[item]) > 1 for item in items):
        # Others stand than were judged, perhaps.
        standing = {item: merge.standing(v) for item, v in held.versions.items() if v}
        known = {item: heads[0].value for item, heads in standing.items()}
        verdicts = judged.verdicts if judged.under(known) else {}
    to_settle = sorted(
        item
        for item in touched & held.versions.keys()
        # Nearly all have one answer, and nothing wrong with it.
        if (verdict := verdicts.get(item)) is None
        or verdict.breach is not None
        or item in held.findings
        or len(held.versions[item]) > 1
    )
    conflicts: list[str] = []
    licences: dict[UUID, UUID | None] | None = None
    changed: list[Finding] = []
    for item in to_settle:
        before = held.findings.get(item)
        heads = standing.get(item) or merge.standing(held.versions[item])
        if len(heads) > 1 and item in items:
            conflicts.append(item)
        draft, at_fault = None, heads[0]
        for head in heads:
            verdict = verdicts.get(item) if head.value is known[item] else None
            verdict = verdict or verdict_of(compiled, item, head, subject, known)
            found = compiled.item(item)
            draft = rules.finding_of(found, verdict) if found and verdict else None
            if draft is not None:
                at_fault = head
                break
        if draft is None:
            if before is not None and before.state in (
                FindingState.open,
                FindingState.needs_confirmation,
            ):
                before.state = FindingState.withdrawn
                changed.append(before)
            continue
        licence, company = held.visit.licence, held.visit.company
        if at_fault.licence is not None and at_fault.licence != licence:
            if licences is None:
                licences = await queries.licences_at(tx, held.visit.premises)
            if at_fault.licence in licences:
                licence, company = at_fault.licence, licences[at_fault.licence]
            else:
                flags.append(Flag("licence.elsewhere", {"item": item}))
        state = (
            FindingState.needs_confirmation if draft.ref_status == "recalled" else FindingState.open
        )
        same = before is not None and before.legal_ref == draft.legal_ref
        if before is not None and same and before.state != FindingState.withdrawn:
            state = before.state  # what was confirmed is the reference, and it is still that one
        finding = Finding(
            id=before.id if before else ids.new(),
            visit=held.visit.id,
            item=item,
            licence=licence,
            company=company,
            state=state,
            severity=draft.severity,
            critical=draft.critical,
            confidential=draft.confidential,
            in_conflict=len(heads) > 1,
            legal_ref=draft.legal_ref,
            ref_status=draft.ref_status,
            basis=draft.basis,
            limit_id=draft.limit,
            penalty=draft.penalty,
            facts=msgspec.json.encode(draft.facts).decode(),
            created_at=before.created_at if before else tx.now,
            version=before.version if before else 1,
        )
        if before != finding:
            held.findings[item] = finding
            changed.append(finding)
    return changed, conflicts


def verdict_of(
    compiled: rules.Compiled,
    item: str,
    head: Version,
    subject: Mapping[str, Any],
    known: Mapping[str, Any],
) -> rules.Verdict | None:
    answers = known if known[item] is head.value else {**known, item: head.value}
    return rules.evaluate_visit(compiled, subject, answers, (item,)).get(item)
