"""Operations of two phones in any order of arrival, and what a reader sees in the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from api import ids
from tests.world import World, answer, gate

NOON = datetime.now(UTC) - timedelta(hours=2)
Step = tuple[str, dict[str, Any]]
ON_ARRIVAL = {"base.unknown", "change.without_reason", "arrived.late", "answer.not_returned"}
"""Flags about how an operation came in, not about what it says."""


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def said(item: str, value: object, minutes: int, **more: Any) -> dict[str, Any]:
    return answer(item, value, **more) | {"answered_at": at(minutes)}


def story(visit: UUID) -> dict[str, Step]:
    """Two officers, one item with three answers, a conflict that the lead settles, a submission."""
    id = {name: ids.new() for name in ("a1", "a2", "b1", "b2", "settle", "submit")}

    def record(name: str, **parts: Any) -> dict[str, Any]:
        return {"op": "visit.record", "id": id[name], "visit": visit, **parts}

    return {
        "a1": (
            "inspector",
            record(
                "a1",
                start=gate(at(0)),
                answers=[said("E08", "fail", 1), said("B10", "fail", 2), said("H04", 4.0, 3)],
            ),
        ),
        "a2": (
            "inspector",
            record(
                "a2",
                answers=[
                    said("B10", "pass", 9, base=id["a1"], reason="แก้ไขแล้ว"),
                    said("H04", 3.0, 10, base=id["a1"]),
                ],
            ),
        ),
        "b1": (
            "inspector-2",
            record("b1", answers=[said("E08", "pass", 4), said("B11", "fail", 5)]),
        ),
        "b2": (
            "inspector-2",
            record("b2", answers=[said("H04", 3, 12), said("B11", "fail", 13, base=id["b1"])]),
        ),
        "settle": (
            "inspector",
            {
                "op": "visit.settle",
                "id": id["settle"],
                "visit": visit,
                "item": "E08",
                "supersedes": [id["a1"], id["b1"]],
                "value": "fail",
                "answered_at": at(20),
                "reason": "ตรวจซ้ำแล้ว",
            },
        ),
        "submit": (
            "inspector",
            {"op": "visit.submit", "id": id["submit"], "visit": visit, "ended_at": at(30)},
        ),
    }


async def play(world: World, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, int]]:
    """The story in this order; what is rejected is sent again until it is taken, as phones do.

    Returns the head's view without ids and times of arrival, and how often each was rejected.
    """
    visit = await world.plan()
    steps = story(visit)
    rejected = dict.fromkeys(names, 0)
    waiting = list(names)
    for _ in range(len(names)):
        again = []
        for name in waiting:
            who, op = steps[name]
            (result,) = await world[who].push(op)
            if result["status"] == "rejected":
                rejected[name] += 1
                again.append(name)
            else:
                assert result["status"] in ("stored", "flagged", "conflict"), result
        if not again:
            break
        waiting = again
    else:
        raise AssertionError(f"{waiting} are never taken in the order {names}")
    labels = {str(op["id"]): name for name, (_, op) in steps.items()}
    seen = (await world["head"].get(f"/v1/visits/{visit}")).json()
    return plain(seen, labels), rejected


def plain(visit: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """Answers and findings without ids; a withdrawn finding tells what was, not what is."""

    def shown(a: dict[str, Any]) -> dict[str, Any]:
        kept = {k: v for k, v in a.items() if k not in ("operation", "author", "flags", "others")}
        kept["from"] = labels.get(a["operation"], "?")
        kept["flags"] = sorted(f["code"] for f in a.get("flags", []) if f["code"] not in ON_ARRIVAL)
        kept["others"] = [shown(o) for o in a.get("others", [])]
        return kept

    findings = [
        {k: v for k, v in f.items() if k not in ("id", "visit", "created_at", "version")}
        for f in visit["findings"]
        if f["state"] != "withdrawn"
    ]
    return {
        "state": visit["state"],
        "started_at": visit["started_at"],
        "ended_at": visit["ended_at"],
        "answers": [shown(a) for a in visit["answers"]],
        "findings": findings,
    }
