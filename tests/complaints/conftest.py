"""Complaints of sample people, told over HTTP."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

import httpx

from api import codes, ids
from tests.world import Person, World, encode


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
        return await world.http.request(method, path, headers=headers, **kwargs)

    holder.request = request  # type: ignore[method-assign]
    return holder
