"""The small steps that every verb of the field shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from api import events, permissions
from api.db import Tx
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import service
from api.inspection.visits.model import (
    MOVES,
    Held,
    NotOnTeam,
    VisitNotFound,
    VisitRow,
    VisitSealed,
    VisitState,
)
from api.permissions import Session


class Applied(msgspec.Struct):
    """What became of an operation that was stored: what is odd, and which items conflict."""

    flags: list[Flag]
    conflicts: list[str]


def officer(tx: Tx, verb: str) -> Session:
    permissions.reaches(tx.actor, verb)
    assert isinstance(tx.actor, Session)
    return tx.actor


def find(visits: Mapping[UUID, Held], visit: UUID) -> Held:
    held = visits.get(visit)
    if held is None:
        raise VisitNotFound(visit=visit)
    return held


def on_team(visit: VisitRow, actor: Session) -> None:
    if actor.account not in visit.team:
        raise NotOnTeam(visit=visit.id)


def move(verb: str, state: VisitState) -> VisitState:
    to = MOVES.get((verb, state))
    if to is None:
        raise VisitSealed(state=state)
    return to


async def tell(tx: Tx, visit: VisitRow, event: str, facts: Mapping[str, Any]) -> None:
    await events.record(
        tx, event, "visit", visit.id, scopes=[events.province(visit.province)], facts=facts
    )
    if visit.state == VisitState.accepted:
        await service.show_companies(tx, visit)
