"""A factory cannot tell a visit because of complaints from a routine one.

Two visits of one factory, alike in all but why they were made, go their whole way: planned, made,
accepted, an order signed, served and obeyed. All that the company's account can get is taken from
every route that it may read, after each step, and compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from api import ids
from api.clock import bangkok_date
from api.permissions import PERMISSIONS, Role
from tests import described
from tests.complaints.matters import about, accepted, planned
from tests.evidence.conftest import Phone, photograph
from tests.inspection.orders import serve, signed
from tests.world import Person, World, answer, encode, gate, now, record

OPERATOR = "operator"
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T[0-9:.]+(Z|\+\d{2}:\d{2})")
_WORDS = ("complaint", "ร้องเรียน", "ร้อง", "reported", "เรื่องที่ได้รับแจ้ง", "X01:", '"X01"')


async def everything(person: Person) -> dict[str, Any]:
    """All that the account can list and open: operation and record → body as it came."""
    found: dict[str, Any] = {}
    for path in ("/v1/company/visits", "/v1/company-orders", "/v1/documents", "/v1/messages"):
        listed = await person.get(path, params={"limit": 100})
        assert listed.status_code == 200, (path, listed.text)
        for item in listed.json()["items"]:
            found[f"{path} {item['id']}"] = item
            one = await person.get(f"{path}/{item['id']}")
            if one.status_code == 200 and one.headers["content-type"].startswith(
                "application/json"
            ):
                body = one.json()
                if isinstance(body.get("content"), str):  # signed words, as one string
                    body["content"] = msgspec.json.decode(body["content"])
                found[f"{path}/{{id}} {item['id']}"] = body
    for site in {i["premises"] for i in found.values() if isinstance(i, dict) and "premises" in i}:
        found[f"/v1/factories/{{id}} {site}"] = (await person.get(f"/v1/factories/{site}")).json()
    cursor: str | None = None
    while True:
        page = (await person.get("/v1/sync", params={"cursor": cursor} if cursor else {})).json()
        for change in page["changes"]:
            found[f"feed {change['kind']} {change['id']}"] = change
        cursor = page["next"]
        if not page["more"]:
            break
    for item in list(found.values()):
        for evidence in _evidence(item):
            one = await person.get(f"/v1/evidence/{evidence}")
            found[f"/v1/evidence/{{id}} {evidence}"] = [
                one.status_code,
                one.json() if one.is_success else "",
            ]
    return found


def _is_json(answer: httpx.Response) -> bool:
    return "json" in answer.headers.get("content-type", "")


def _evidence(item: Any) -> Iterator[str]:
    if isinstance(item, dict):
        for name, value in item.items():
            if name == "evidence" and isinstance(value, list):
                yield from (v for v in value if isinstance(v, str))
            else:
                yield from _evidence(value)
    elif isinstance(item, list):
        for each in item:
            yield from _evidence(each)


def shape(item: Any) -> str:
    """An item without what must differ: which record it is (but of which kind its id), and when."""
    text = json.dumps(item, ensure_ascii=False, sort_keys=True)
    text = _ID.sub(lambda m: f"<id v{m.group(1)}>", text)
    text = _MOMENT.sub("<moment>", text)
    text = re.sub(r"[0-9a-f]{64}", "<hash>", text)
    text = re.sub(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}|\"[0-9A-Z]{16}\"", "<code>", text)
    text = re.sub(r"pio-11 \d+/\d{4}", "<number>", text)
    return re.sub(r'"(pdf_size|received|size|jws)": ("[^"]*"|\d+)', r'"\1": <>', text)


async def fresh(person: Person, before: dict[str, Any]) -> list[str]:
    """The shapes of all that is new or has changed since `before`, which is brought up to date."""
    after = await everything(person)
    new = sorted(
        f"{key.rsplit(' ', 1)[0]} {shape(item)}"
        for key, item in after.items()
        if before.get(key) != item
    )
    for item in after.values():
        said = json.dumps(item, ensure_ascii=False)
        assert not any(word in said for word in _WORDS), said
    before.clear()
    before.update(after)
    return new


async def _planned(world: World, premises: UUID, because: bool, announced: bool) -> str:
    if because:
        complaints = [await about(world, premises), await about(world, premises)]
        visit = await planned(world, *complaints, announced=announced)
        found: str = visit["id"]
        return found
    id = ids.new()
    plan = {
        "premises": premises,
        "planned_on": bangkok_date(now()).isoformat(),
        "lead": world.inspector.account,
        "team": [world["inspector-2"].account],
        "announced": announced,
    }
    assert (await world.inspector.put(f"/v1/visits/{id}", content=encode(plan))).is_success
    return str(id)


async def _whole_way(world: World, premises: UUID, *, because: bool, announced: bool) -> list[Any]:
    """What the company could see after each step of the visit's way."""
    seen: dict[str, Any] = await everything(world[OPERATOR])
    steps = []
    visit = await _planned(world, premises, because, announced)
    await world.work()
    steps.append(("planned", await fresh(world[OPERATOR], seen)))
    await world.inspector.push(record(UUID(visit), start=gate()))
    for item in ("E08", "X01") if because else ("E08",):
        picture = photograph(ids.new().int % 2**31)
        sent = await Phone(world.inspector).send(
            picture, owner_kind="visit", owner=visit, item=item
        )
    await world.work()
    steps.append(("begun", await fresh(world[OPERATOR], seen)))
    extra = [answer("X01", "fail", note="กลิ่น"), answer("X02", "solvent")] if because else []
    found = await accepted(world, visit, *extra)
    steps.append(("accepted", await fresh(world[OPERATOR], seen)))
    theirs = await world[OPERATOR].get(f"/v1/evidence/{sent}")  # of E08, or last of X01
    assert theirs.status_code == (404 if because else 200)
    for language in ("th", "en"):
        issued = await world.head.post(f"/v1/visits/{visit}/record?language={language}")
        assert issued.status_code == 201, issued.text
    await world.work()
    steps.append(("issued again", await fresh(world[OPERATOR], seen)))
    order = await signed(world, found | {"findings": _open(found)})
    await world.work()
    steps.append(("signed", await fresh(world[OPERATOR], seen)))
    assert (await serve(world, order)).status_code == 200
    await world.work()
    steps.append(("served", await fresh(world[OPERATOR], seen)))
    again = await world.begun(premises, reason="follow_up", follows=visit)
    for finding in order["findings"]:
        done = await world.inspector.post(
            f"/v1/orders/{order['id']}/findings/{finding['finding']}/verify",
            content=encode({"visit": again, "corrected": True}),
        )
        assert done.status_code == 200, done.text
    await world.work()
    steps.append(("obeyed", await fresh(world[OPERATOR], seen)))
    return steps


def _open(visit: dict[str, Any]) -> list[dict[str, Any]]:
    return [f for f in visit["findings"] if not f["confidential"]]


@pytest.mark.parametrize("announced", [False, True])
async def test_nothing_differs_for_the_factory_between_a_complaint_and_a_routine_visit(
    world: World, announced: bool
) -> None:
    premises = await world.premises(company=True)
    routine = await _whole_way(world, premises, because=False, announced=announced)
    complained = await _whole_way(world, premises, because=True, announced=announced)
    for (step, plain), (_, because) in zip(routine, complained, strict=True):
        assert set(plain) ^ set(because) == set(), step
        assert len(plain) == len(because), step
    assert sum(len(shapes) for _, shapes in routine) > 20


async def test_every_route_that_a_company_may_read_is_compared() -> None:
    """A new route for companies must be looked at here too."""
    compared = {
        *("/v1/company/visits", "/v1/company/visits/{visit}"),
        *("/v1/company-orders", "/v1/company-orders/{order}"),
        *("/v1/documents", "/v1/documents/{document}", "/v1/documents/{document}/pdf"),
        *("/v1/messages", "/v1/messages/unread", "/v1/sync"),
        *("/v1/evidence/{evidence}", "/v1/evidence/{evidence}/content"),
        *("/v1/factories", "/v1/factories/{factory}", "/v1/factories/number/{value}"),
    }
    of_no_visit = {
        *("/v1/me", "/v1/me/profile", "/v1/sessions", "/v1/offices", "/v1/categories"),
        *("/v1/checklists", "/v1/checklists/{number}", "/v1/companies/{id}/members"),
        # Their own complaints, told by themselves.
        *("/v1/own-complaints", "/v1/own-complaints/{complaint}"),
        "/v1/own-complaints/{complaint}/evidence",
    }
    found = set()
    for path, item in described.paths().items():
        verb = item.get("get", {}).get("x-permission", {}).get("verb")
        if verb and Role.operator in PERMISSIONS[verb]:
            found.add(path)
    assert found == compared | of_no_visit
