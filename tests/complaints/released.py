"""Complaints that officers have released, and programs of others, for the tests."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx

from api import clock, ids
from api.complaints.public import service as public
from tests.complaints.conftest import tell
from tests.world import Person, World, encode

_places = itertools.count()


def somewhere() -> dict[str, Any]:
    """A place in Samut Prakan in a cell of the grid that no other test has."""
    n = next(_places)
    return {"lat": 13.405 + 0.02 * (n % 10), "lng": 100.405 + 0.02 * (n // 10), "province": "11"}


async def moderator(world: World) -> Person:
    """The head of Samut Prakan, with an authority to moderate."""
    head = world.head
    async with world.db.read() as tx:
        has = await tx.value(
            "select exists (select from authority where account = $1 and power = 'moderate')",
            head.account,
        )
    if not has:
        grant = {
            "account": head.account,
            "power": "moderate",
            "section": "35",
            "instrument": "คำสั่งตัวอย่างที่ 1/2569",
            "valid_from": "2026-01-01",
        }
        path = f"/v1/authorities/{ids.new()}"
        made = await world.administrator.put(path, content=encode(grant))
        assert made.status_code == 200, made.text
    return head


async def release(world: World, id: UUID, person: Person | None = None, **words: Any) -> Any:
    async with world.db.read() as tx:
        version = await tx.value("select version from complaint where id = $1", id)
    body = {"th": "มีผู้แจ้งเรื่องกลิ่นจากโรงงานในพื้นที่ (ตัวอย่าง)"} | words
    return await (person or await moderator(world)).post(
        f"/v1/complaints/{id}/release", version=version, content=encode(body)
    )


async def told_last_month(world: World, **parts: Any) -> UUID:
    """A complaint that came in the middle of the month before this one."""
    id = ids.new()
    made = await tell(world.nobody, id, **parts)
    assert made.status_code == 200, made.text
    await put_back(world, id)
    return id


async def put_back(world: World, id: UUID, months: int = 1) -> None:
    month = public.first_of(clock.now())
    for _ in range(months):
        month = public.first_of(public.begun(month) - timedelta(days=1))
    async with world.db.begin() as tx:
        await tx.run(
            "update complaint set received_at = $2 where id = $1",
            id,
            public.begun(month) + timedelta(days=13, hours=21, minutes=37),
        )


async def released(world: World, **parts: Any) -> int:
    """The public id of a complaint of last month that was released."""
    words = parts.pop("words", {})
    answer = await release(world, await told_last_month(world, **parts), **words)
    assert answer.status_code == 200, answer.text
    found: int = answer.json()["public_id"]
    return found


class Program:
    """A program of others with its key."""

    def __init__(self, world: World, id: UUID, key: str) -> None:
        self.world, self.id, self.key = world, id, key

    async def post(self, form: Any, extension: str = "json", **kwargs: Any) -> httpx.Response:
        """`form`: pairs, or a mapping; `api_key` is added where there is none."""
        pairs = list(form.items() if isinstance(form, dict) else form)
        if not any(name == "api_key" for name, _ in pairs):
            pairs.append(("api_key", self.key))
        kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        path = f"/open311/v2/requests.{extension}"
        return await self.world.http.post(path, content=urlencode(pairs), headers=kind, **kwargs)

    async def status(self, id: int) -> dict[str, Any]:
        path = f"/open311/v2/requests/{id}.json"
        found = await self.world.http.get(path, params={"api_key": self.key})
        assert found.status_code == 200, found.text
        (one,) = found.json()
        result: dict[str, Any] = one
        return result


async def program(world: World, per_hour: int = 1000) -> Program:
    id = ids.new()
    entry = {"name": "โปรแกรมตัวอย่าง", "per_hour": per_hour}
    made = await world.administrator.put(f"/v1/api-clients/{id}", content=encode(entry))
    assert made.status_code == 200, made.text
    return Program(world, id, made.json()["key"])


def form(**fields: Any) -> dict[str, Any]:
    return {
        "service_code": "odour",
        "lat": "13.61",
        "long": "100.62",
        "description": f"กลิ่นเหม็นมาก {ids.new()}",
        "first_name": "ผู้ร้องตัวอย่าง",
        "last_name": "ลับเฉพาะ",
        "phone": "0811111111",
        "email": "hidden@example.invalid",
        "attribute[kind]": "solvent",
    } | fields
