"""Complaints of sample people, told over HTTP."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

import httpx
import pytest

from api import codes, ids
from api.db import Database
from tests.world import Person, World, encode


@pytest.fixture(autouse=True)
async def _unhurried(db: Database) -> None:
    """All tests come from one network, which may not send so much in an hour."""
    async with db.begin() as tx:
        await tx.run("delete from rate_limit where bucket like 'complaint:%'")


def secret() -> str:
    """What a sender's program makes: 26 random characters."""
    return "".join(secrets.choice(codes.ALPHABET) for _ in range(codes.SECRET - 1))


def told(**parts: Any) -> dict[str, Any]:
    """A complaint about a smell at night in Samut Prakan; `parts` take the place of its own."""
    return {
        "secret": secret(),
        "category": "odour",
        "description": "กลิ่นทินเนอร์แรงมากทุกคืน (ตัวอย่าง)",
        "answers": {"kind": "solvent", "how_often": "daily", "hours": "22:00-04:00"},
        "place": {"lat": 13.6, "lng": 100.6, "accuracy_m": 20, "province": "11"},
    } | parts


async def tell(person: Person, id: UUID | None = None, **parts: Any) -> httpx.Response:
    return await person.put(f"/v1/complaints/{id or ids.new()}", content=encode(told(**parts)))


def by_code(world: World, code: str) -> Person:
    """Somebody who has nothing but the tracking code."""
    holder = Person(world.http, "tracking", None, "")
    holder.token = ""

    async def request(method: str, path: str, **kwargs: Any) -> httpx.Response:
        headers = {"Authorization": f"Tracking {code}"} | dict(kwargs.pop("headers", {}))
        if (version := kwargs.pop("version", None)) is not None:
            headers["If-Match"] = f'"{version}"'
        return await world.http.request(method, path, headers=headers, **kwargs)

    holder.request = request  # type: ignore[method-assign]
    return holder


# --- at the desk ----------------------------------------------------------------------------------


async def detail(person: Person, id: UUID) -> dict[str, Any]:
    answer = await person.get(f"/v1/complaints/{id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def do(person: Person, id: UUID, verb: str, body: Any = None) -> httpx.Response:
    """The verb at the version that the complaint has now."""
    async with person.db.read() as tx:  # type: ignore[union-attr]
        version = await tx.value("select version from complaint where id = $1", id)
    content = None if body is None else encode(body)
    return await person.post(f"/v1/complaints/{id}/{verb}", content=content, version=version)


async def begun(world: World, **parts: Any) -> UUID:
    """A complaint that the inspector of Samut Prakan is working on."""
    id = ids.new()
    assert (await tell(world.nobody, id, **parts)).status_code == 200
    for person, verb, body in (
        (world.head, "accept", None),
        (world.head, "assign", {"officer": world.inspector.account}),
        (world.inspector, "begin", None),
    ):
        done = await do(person, id, verb, body)
        assert done.status_code == 200, done.text
    return id
