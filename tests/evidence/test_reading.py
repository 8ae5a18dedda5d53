"""Who may see evidence, how its bytes are read, and how a visit gets its photographs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api import clock, ids
from api.db import Database
from api.evidence import queries, service
from api.evidence.model import EvidenceTaken, EvidenceUnknown
from api.permissions import Worker
from tests.evidence.conftest import Phone, Work, noise, photograph
from tests.world import World, answer, encode, gate, record, submit


@pytest.fixture
def phone(world: World) -> Phone:
    return Phone(world.inspector)


# --- visits -------------------------------------------------------------------------------------


async def shown(world: World, visit: UUID) -> list[dict[str, Any]]:
    found = await world.head.get(f"/v1/visits/{visit}")
    assert found.status_code == 200, found.text
    return list(found.json()["evidence"])


async def test_a_photograph_becomes_part_of_the_visit_and_item_it_names(
    phone: Phone, world: World, work: Work
) -> None:
    visit = await world.begun()
    id = await phone.send(photograph(30), owner_kind="visit", owner=visit, item="E08")
    assert await shown(world, visit) == []
    await work()
    assert await shown(world, visit) == [{"id": str(id), "item": "E08", "media": "image/jpeg"}]
    assert (await phone.about(id))["claimed"] is True
    changed = await world.inspector.get("/v1/sync", params={"kinds": "visit", "limit": 1000})
    mine = [c for c in changed.json()["changes"] if c.get("record", {}).get("id") == str(visit)]
    assert mine and mine[-1]["record"]["evidence"][0]["id"] == str(id)


@pytest.mark.parametrize("planned", [True, False])
async def test_a_photograph_that_came_before_its_visit_waits_for_it(
    phone: Phone, world: World, work: Work, planned: bool
) -> None:
    visit = ids.new()
    id = await phone.send(photograph(31 + planned), owner_kind="visit", owner=visit, item="E08")
    await work()
    assert (await phone.about(id))["claimed"] is False
    assert (await world.head.get(f"/v1/evidence/{id}")).status_code == 404
    premises = await world.premises()
    if planned:
        plan = {"premises": premises, "planned_on": "2026-11-25", "lead": phone.person.account}
        made = await world.head.put(f"/v1/visits/{visit}", content=encode(plan))
        assert made.status_code == 200, made.text
    else:
        (result,) = await phone.person.push(record(visit, premises=premises, start=gate()))
        assert result["status"] in ("stored", "flagged"), result
    await work()
    assert [each["id"] for each in await shown(world, visit)] == [str(id)]
    assert (await world.head.get(f"/v1/evidence/{id}")).status_code == 200


async def test_whoever_is_not_on_the_team_adds_nothing_to_a_visit(world: World, work: Work) -> None:
    visit = await world.begun(team=[])
    for key in ("inspector-2", "head", "operator", "inspector-elsewhere"):
        phone = Phone(world[key])
        id = await phone.send(noise(500), owner_kind="visit", owner=visit, item="E08")
        await work()
        assert (await phone.about(id))["claimed"] is False
    assert await shown(world, visit) == []


async def test_a_photograph_of_another_day_and_place_is_flagged_at_its_visit(
    phone: Phone, world: World, work: Work
) -> None:
    visit = await world.begun()
    here = (await world.head.get(f"/v1/visits/{visit}")).json()["subject"]["position"]
    at = {"lat": here["lat"], "lng": here["lng"], "taken_at": clock.now().isoformat()}
    for n, claims in enumerate((at, at | {"lat": here["lat"] + 1}, at | {"taken_at": PAST})):
        await phone.send(photograph(60 + n), owner_kind="visit", owner=visit, **claims)
    await work()
    found = (await world.head.get(f"/v1/visits/{visit}")).json()["flags"]
    said = {f["code"]: f["facts"] for f in found if f["code"].startswith("photo.")}
    assert said.keys() == {"photo.far", "photo.other_time"}
    assert 110_000 < said["photo.far"]["metres"] < 112_000
    assert said["photo.other_time"]["hours"] < -24 * 365
    camera = photograph(63, taken="2024:05:01 10:00:00")
    await phone.send(camera, owner_kind="visit", owner=visit, **at)
    await work()
    found = (await world.head.get(f"/v1/visits/{visit}")).json()["flags"]
    assert [f["code"] for f in found].count("photo.other_time") == 2  # the camera's own word


PAST = "2024-01-01T00:00:00Z"


async def test_after_acceptance_the_factory_sees_the_photographs_of_its_findings_alone(
    phone: Phone, world: World, work: Work
) -> None:
    visit = await world.begun(await world.premises(company=True))
    of_finding, of_pass, of_none = [
        await phone.send(noise(400 + n), owner_kind="visit", owner=visit, **item)
        for n, item in enumerate(({"item": "E08"}, {"item": "E09"}, {}))
    ]
    await phone.person.push(
        record(visit, answers=[answer("E08", "fail"), answer("E09", "pass")]), submit(visit)
    )
    await work()

    async def statuses() -> list[int]:
        ids = (of_finding, of_pass, of_none)
        return [(await world.operator.get(f"/v1/evidence/{id}")).status_code for id in ids]

    assert await statuses() == [404, 404, 404]
    version = (await world.head.get(f"/v1/visits/{visit}")).json()["version"]
    await world.head.post(f"/v1/visits/{visit}/take-up", version=version)
    done = await world.head.post(
        f"/v1/visits/{visit}/accept", version=version + 1, content=encode({"note": ""})
    )
    assert done.status_code == 200, done.text
    await work()
    assert await statuses() == [200, 404, 404]
    seen = await world.operator.get(f"/v1/company/visits/{await world.shown_as(visit)}")
    evidence = {f["item"]: f["evidence"] for f in seen.json()["findings"]}
    assert evidence["E08"] == [str(of_finding)]
    assert (await world.stranger.get(f"/v1/evidence/{of_finding}")).status_code == 404
    late = await phone.send(noise(444), owner_kind="visit", owner=visit, item="E08")
    await work()
    assert (await world.operator.get(f"/v1/evidence/{late}")).status_code == 200


# --- for other features -------------------------------------------------------------------------


async def test_evidence_is_claimed_once_and_by_one_owner(
    phone: Phone, work: Work, db: Database
) -> None:
    id, owner = await phone.send(noise(600)), ids.new()
    order: dict[str, Any] = {"owner_kind": "order", "province": "11", "class_": 3, "company": None}
    async with db.begin(Worker("test")) as tx:
        with pytest.raises(EvidenceUnknown):  # not verified yet
            await service.claim(tx, [id], owner=owner, visible_to_company=False, **order)
    await work()
    async with db.begin(Worker("test")) as tx:
        for shown in (False, True):
            (row,) = await service.claim(tx, [id], owner=owner, visible_to_company=shown, **order)
            assert (row.owner, row.owner_kind, row.claimed) == (owner, "order", True)
    async with db.begin(Worker("test")) as tx:
        with pytest.raises(EvidenceTaken):
            await service.claim(tx, [id], owner=ids.new(), visible_to_company=True, **order)
    async with db.read() as tx:
        assert [row.id for row in await service.of(tx, "order", owner)] == [id]
        chunks = await service.open_original(tx, id)
    assert len(b"".join([chunk async for chunk in chunks])) == 600


async def test_office_company_and_sender_see_evidence_and_nobody_else(
    phone: Phone, world: World, work: Work, db: Database
) -> None:
    id = await phone.send(noise(700))
    await work()
    async with db.read() as tx:
        company = await tx.value(
            "select company from company_member where account = $1", world.operator.account
        )
    claim: dict[str, Any] = {
        "owner_kind": "order",
        "owner": ids.new(),
        "province": "11",
        "class_": 3,
        "company": company,
    }

    async def seeing() -> set[str]:
        found = set()
        for key in world.people:
            got = [
                (await world[key].get(f"/v1/evidence/{id}{more}")).status_code
                for more in ("", "/content")
            ]
            assert got in ([200, 200], [404, 404], [403, 403]), (key, got)
            if got == [200, 200]:
                found.add(key)
        return found

    everywhere = {"department", "ministry", "auditor"} & set(world.people)
    assert await seeing() == {"inspector"} | everywhere
    async with db.begin(Worker("test")) as tx:
        await service.claim(tx, [id], visible_to_company=False, **claim)
    office = await seeing()
    assert {"inspector", "inspector-2", "head"} <= office
    assert not {"operator", "stranger", "inspector-elsewhere", "citizen"} & office
    async with db.begin(Worker("test")) as tx:
        await service.claim(tx, [id], visible_to_company=True, **claim)
    assert await seeing() == office | {"operator"}


# --- bytes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=900000-", 900_000, 1_000_000),
        ("bytes=-10", 999_990, 1_000_000),
        ("bytes=999999-2000000", 999_999, 1_000_000),
    ],
)
async def test_a_range_of_a_file_is_served(
    phone: Phone, work: Work, asked: str, start: int, end: int
) -> None:
    data = noise(1_000_000)
    id = await phone.send(data)
    await work()
    path = f"/v1/evidence/{id}/content"
    got = await phone.person.get(path, headers={"Range": asked})
    assert (got.status_code, got.content) == (206, data[start:end])
    assert got.headers["Content-Range"] == f"bytes {start}-{end - 1}/1000000"
    whole = await phone.person.get(path, headers={"Range": asked, "If-Range": '"other"'})
    assert (whole.status_code, len(whole.content)) == (200, 1_000_000)
    assert whole.headers["Accept-Ranges"] == "bytes"
    same = await phone.person.get(path, headers={"Range": asked, "If-Range": whole.headers["ETag"]})
    assert same.status_code == 206
    none = await phone.person.get(path, headers={"Range": "bytes=1000000-"})
    assert (none.status_code, none.json()["code"]) == (416, "evidence/range-unsatisfiable")
    odd = await phone.person.get(path, headers={"Range": "lines=1-2"})
    assert odd.status_code == 200


async def test_a_link_works_without_a_token_for_some_minutes_and_for_one_form(
    phone: Phone, world: World, work: Work
) -> None:
    data = photograph(40)
    id = await phone.send(data)
    await work()
    made = await phone.person.post(f"/v1/evidence/{id}/link")
    assert made.status_code == 201, made.text
    url = made.json()["url"].removeprefix("http://testserver")
    assert phone.person.token not in url
    got = await world.nobody.get(url)
    assert (got.status_code, got.content) == (200, data)
    assert (await world.nobody.get(url, headers={"Range": "bytes=0-2"})).content == data[:3]
    for wrong in (
        url.replace("/original", "/screen"),
        url.replace(str(id), str(ids.new())),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.replace("until=", "until=9"),
        url.replace("/original", "/../original"),
    ):
        refused = await world.nobody.get(wrong)
        assert refused.status_code == 404, wrong
    with clock.travel(timedelta(minutes=11)):
        late = await world.nobody.get(url)
    assert (late.status_code, late.json()["code"]) == (404, "evidence/link-invalid")
    small = await phone.person.post(f"/v1/evidence/{id}/link?form=thumbnail")
    got = await world.nobody.get(small.json()["url"].removeprefix("http://testserver"))
    assert got.status_code == 200 and got.headers["Content-Type"] == "image/jpeg"


async def test_no_link_is_made_to_what_one_may_not_see(
    phone: Phone, world: World, work: Work
) -> None:
    id = await phone.send(noise(300))
    await work()
    for key in ("inspector-2", "inspector-elsewhere", "operator"):
        assert (await world[key].post(f"/v1/evidence/{id}/link")).status_code == 404
    assert (await world.auditor.post(f"/v1/evidence/{id}/link")).status_code == 403
    assert (await phone.person.post(f"/v1/evidence/{id}/link?form=screen")).status_code == 404


async def test_a_file_that_is_stored_between_two_looks_is_not_told_as_missing(
    phone: Phone, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await phone.send(noise(1000))
    await work()
    real, looks = queries.evidence, []

    async def not_yet(*args: Any) -> Any:
        looks.append(args)
        return [] if len(looks) == 1 else await real(*args)

    monkeypatch.setattr(queries, "evidence", not_yet)
    found = await phone.person.get(f"/v1/evidence/{id}")
    assert (found.status_code, len(looks)) == (200, 2)
