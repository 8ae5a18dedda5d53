"""Fleets of agencies of their own, so that no test counts another's readers."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from api import ids
from api.db import Database
from api.permissions import Worker
from api.readers.fleet import importing
from api.readers.fleet.importing import ReaderImport
from tests.world import World, encode, now

_numbers = itertools.count(1)


async def agency(world: World) -> str:
    """A new agency's code."""
    code = f"trial-{next(_numbers)}"
    body = {"name_th": f"หน่วยงานทดสอบ {code}", "name_en": f"Trial {code}"}
    made = await world.ministry.put(f"/v1/reader-agencies/{code}", content=encode(body))
    assert made.status_code == 200, made.text
    return code


async def office(db: Database, code: str) -> UUID:
    async with db.read() as tx:
        found: UUID = await tx.value("select id from office where code = $1", code)
    return found


async def asked(world: World, code: str, quantity: int, **more: Any) -> dict[str, Any]:
    """A line of a letter of the agency."""
    body = {"agency": code, "document": f"ทส 1/{ids.new()}", "asked_on": "2018-09-30"}
    body |= {"quantity": quantity} | more
    made = await world.ministry.put(f"/v1/reader-requests/{ids.new()}", content=encode(body))
    assert made.status_code == 200, made.text
    found: dict[str, Any] = made.json()
    return found


def serials(code: str, count: int, start: int = 1) -> list[str]:
    return [f"{code.upper()}-{n:04d}" for n in range(start, start + count)]


async def granted(
    world: World, request: dict[str, Any], numbers: list[str], allocated: int | None = None
) -> dict[str, Any]:
    body = {"allocated": allocated or len(numbers), "serials": numbers}
    made = await world.ministry.post(
        f"/v1/reader-requests/{request['id']}/allocate",
        content=encode(body),
        version=request["version"],
    )
    assert made.status_code == 200, made.text
    found: dict[str, Any] = made.json()
    return found


async def confirmed(world: World, code: str, unit: str, numbers: list[str]) -> dict[str, Any]:
    body = {"agency": code, "unit": unit, "serials": numbers}
    made = await world.ministry.post("/v1/reader-assets/confirm", content=encode(body))
    assert made.status_code == 200, made.text
    found: dict[str, Any] = made.json()
    return found


async def reader(world: World, serial: str) -> dict[str, Any]:
    """The one reader whose serial begins so, as the ministry sees it."""
    found = await world.ministry.get("/v1/reader-assets", params={"serial": serial})
    (one,) = found.json()["items"]
    return one  # type: ignore[no-any-return]


async def moved(world: World, serial: str, act: str, **more: Any) -> dict[str, Any]:
    one = await reader(world, serial)
    made = await world.ministry.post(
        f"/v1/reader-assets/{one['id']}/move",
        content=encode({"act": act} | more),
        version=one["version"],
    )
    assert made.status_code == 200, made.text
    found: dict[str, Any] = made.json()
    return found


async def seen(
    db: Database, serial: str, at: str, when: datetime | None = None, version: str = "1.0"
) -> None:
    """A bridge of office `at` has a reader of this serial."""
    when = when or now() - timedelta(minutes=1)
    async with db.begin(Worker("test")) as tx:
        bridge = ids.new()
        await tx.run(
            """
            insert into bridge (id, office, name, public_key, key_protection, platform, software,
                approved_at, approved_by, head, key_since, last_seen_at)
            select $1, o.id, 'เครื่องตัวอย่าง', $2, 'file', 'linux', $4, $3,
                (select id from account limit 1), '', $3, $3
            from office o where o.code = $5
            """,
            bridge,
            bridge.bytes,
            when,
            version,
            at,
        )
        await tx.run(
            """
            insert into bridge_reader (id, bridge, name, serial, last_seen_at)
            values ($1, $2, 'ตัวอย่าง 00 00', $3, $4)
            """,
            ids.new(),
            bridge,
            serial,
            when,
        )


async def imported(
    db: Database, folder: Path, content: str | bytes, code: str | None, **more: Any
) -> ReaderImport:
    """A file with this content, imported by the command's own way."""
    path = folder / f"{ids.new()}.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    kind = more.pop("kind", "readers")
    return await importing.import_file(db, path, kind, code, **more)


async def differences(world: World, code: str | None = None, **more: Any) -> dict[str, set[str]]:
    """Kind → serials, on which lists, units and bridges differ."""
    asked = {"limit": 200} | ({"agency": code} if code else {}) | more
    found: dict[str, set[str]] = {}
    while True:
        page = await world.auditor.get("/v1/reader-fleet/differences", params=asked)
        assert page.status_code == 200, page.text
        for item in page.json()["items"]:
            found.setdefault(item["kind"], set()).add(item["serial"])
        if not page.json()["next"]:
            return found
        asked["cursor"] = page.json()["next"]
