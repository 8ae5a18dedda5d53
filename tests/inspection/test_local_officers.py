"""Local officers (Factory Act s.11/1) do whole visits, of classes 1 and 2 in their own area."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from api import ids
from api.db import Database
from tests.inspection.test_visits import pulled, step, submitted
from tests.world import World, answer, encode, gate, record, submit


async def visits_pulled(world: World, who: str) -> dict[str, Any]:
    """The feed's last word on each visit, by id."""
    return {c["id"]: c for c in (await pulled(world, who=who))[0] if c["kind"] == "visit"}


async def test_a_local_officers_pack_opens_with_no_finding_of_a_class_3_factory(
    world: World, db: Database
) -> None:
    site = await world.premises(class_=2)
    other = await submitted(world, answer("E08", "fail"), premises=site)
    await step(world, other, "take-up")
    await step(world, other, "accept")
    visit = await world.plan(site)
    path = f"/v1/visits/{visit}/pack"
    pack = (await world.local_officer.get(path)).json()
    assert str(other) in {f["visit"] for f in pack["open_findings"]}
    async with db.begin() as tx:
        await tx.run("update visit set class = 3 where id = $1", other)
    pack = (await world.local_officer.get(path)).json()
    assert str(other) not in {f["visit"] for f in pack["open_findings"]}
    pack = (await world.inspector.get(path)).json()
    assert str(other) in {f["visit"] for f in pack["open_findings"]}


async def test_a_local_officer_plans_and_reads_classes_1_and_2_only(world: World) -> None:
    plan = {"planned_on": "2026-12-01", "lead": world.inspector.account}
    small, large = await world.premises(class_=2), await world.premises(class_=3)
    made = await world.local_officer.put(
        f"/v1/visits/{(visit := ids.new())}", content=encode(plan | {"premises": small})
    )
    assert made.status_code == 200, made.text
    refused = await world.local_officer.put(
        f"/v1/visits/{ids.new()}", content=encode(plan | {"premises": large})
    )
    assert refused.json()["code"] == "inspection/premises-unknown"
    hidden: UUID = await world.plan(large)
    listed = (await world.local_officer.get("/v1/visits", params={"limit": "200"})).json()["items"]
    assert str(visit) in {v["id"] for v in listed}
    assert str(hidden) not in {v["id"] for v in listed}
    assert (await world.local_officer.get(f"/v1/visits/{hidden}")).status_code == 404
    assert (await world.local_officer.get(f"/v1/visits/{hidden}/pack")).status_code == 404


async def test_a_local_officer_inspects_a_class_2_factory_from_plan_to_acceptance(
    world: World,
) -> None:
    local, site = world.local_officer, await world.premises(class_=2)
    plan = {"premises": site, "planned_on": "2026-12-01", "lead": local.account}
    made = await local.put(f"/v1/visits/{(visit := ids.new())}", content=encode(plan))
    assert made.status_code == 200, made.text
    assert (await visits_pulled(world, "local-officer"))[str(visit)]["record"]["state"] == "planned"
    results = await local.push(
        record(visit, start=gate(), answers=[answer("E08", "fail")]), submit(visit)
    )
    assert {r["status"] for r in results} <= {"stored", "flagged"}, results
    assert (await local.post(f"/v1/visits/{visit}/take-up", version=3)).status_code == 403
    await step(world, visit, "take-up")
    await step(world, visit, "accept")
    assert (await visits_pulled(world, "local-officer"))[str(visit)]["record"][
        "state"
    ] == "accepted"
    receipts = (await local.get("/v1/sync/receipts")).json()["items"]
    assert {r["id"] for r in results} <= {r["id"] for r in receipts}


async def test_a_local_officer_records_no_visit_of_class_3_and_none_elsewhere(
    world: World,
) -> None:
    local = world.local_officer
    for site in (await world.premises(class_=3), await world.premises(class_=2, province="10")):
        first = record(visit := ids.new(), start=gate(), premises=site)
        (refused,) = await local.push(first)
        assert refused["status"] == "rejected", refused
        async with world.db.read() as tx:
            assert not await tx.value("select true from visit where id = $1", visit)
    hidden = await world.plan(await world.premises(class_=3))
    async with world.db.begin() as tx:  # as if someone had put them on the team all the same
        await tx.run(
            "update visit set team = team || $2::uuid, lead = $2 where id = $1",
            hidden,
            local.account,
        )
    (refused,) = await local.push(record(hidden, start=gate()))
    assert refused["problem"]["code"] == "inspection/no-such-visit"


async def test_a_local_officers_feed_does_not_tell_that_class_3_visits_exist(
    world: World,
) -> None:
    hidden = await world.plan(await world.premises(class_=3))
    shown = await world.plan(await world.premises(class_=2))
    pulled = await visits_pulled(world, "local-officer")
    assert str(shown) in pulled
    assert str(hidden) not in pulled
    assert str(hidden) in await visits_pulled(world, "inspector")


async def test_an_inspector_takes_a_local_officer_along_to_a_class_2_factory(
    world: World,
) -> None:
    local = world.local_officer
    visit = await world.plan(await world.premises(class_=2), team=[local.account])
    (begun,) = await world.inspector.push(record(visit, start=gate()))
    (added,) = await local.push(record(visit, answers=[answer("E08", "pass")]))
    assert {begun["status"], added["status"]} <= {"stored", "flagged"}


async def test_a_local_officer_who_leads_settles_what_the_team_answered_differently(
    world: World,
) -> None:
    local, site = world.local_officer, await world.premises(class_=2)
    visit = await world.plan(site, lead=local.account, team=[world.inspector.account])
    ours, theirs = (record(visit, answers=[answer("E08", said)]) for said in ("pass", "fail"))
    await local.push(ours)
    (conflict,) = await world.inspector.push(theirs)
    assert conflict["status"] == "conflict", conflict
    settle = {"op": "visit.settle", "id": ids.new(), "visit": visit, "item": "E08"}
    settle |= {"value": "fail", "supersedes": [ours["id"], theirs["id"]], "reason": "seen by both"}
    (settled,) = await local.push(settle)
    assert settled["status"] in ("stored", "flagged"), settled


async def test_nobody_puts_a_local_officer_on_the_team_of_a_class_3_visit(world: World) -> None:
    body = {"premises": await world.premises(class_=3), "planned_on": "2026-12-01"}
    for team in (
        {"lead": world.local_officer.account},
        {"lead": world.inspector.account, "team": [world.local_officer.account]},
    ):
        plan = encode(body | team)
        refused = await world.head.put(f"/v1/visits/{ids.new()}", content=plan)
        assert refused.json()["code"] == "inspection/team-unknown"
    first = record(ids.new(), start=gate(), premises=body["premises"])
    (refused,) = await world.inspector.push(first | {"team": [world.local_officer.account]})
    assert refused["problem"]["code"] == "inspection/team-unknown"
    (refused,) = await world.local_officer.push(first | {"id": ids.new(), "visit": ids.new()})
    assert refused["problem"]["code"] == "inspection/premises-unknown"
