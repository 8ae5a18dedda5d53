"""What else a phone records: sites that nobody registered, notes, who represented the factory."""

from __future__ import annotations

from uuid import UUID

from api import ids
from api.db import Database
from tests.world import World, answer, gate, record

SECRET = "นางสาวตัวอย่าง ลับมาก"


def unregistered(visit: UUID, **site: object) -> dict[str, object]:
    place = {"name": "โรงงานไม่มีใบอนุญาต ตัวอย่าง", "province": "11", "lat": 13.61, "lng": 100.61}
    return record(visit, site=place | site, start=gate(), answers=[answer("E08", "fail")])


async def test_a_site_that_nobody_registered_is_visited_without_signal(world: World) -> None:
    visit = ids.new()
    (result,) = await world.inspector.push(unregistered(visit))
    assert result["status"] in ("stored", "flagged"), result
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert seen["licence"] is None
    assert seen["subject"]["registered"] is False
    site = (await world.head.get(f"/v1/factories/{seen['premises']}")).json()
    assert site["registered"] is False
    assert [(f["item"], f["licence"]) for f in seen["findings"]] == [("E08", None)]


async def test_two_phones_that_describe_the_same_unregistered_site_make_one(world: World) -> None:
    visit = ids.new()
    team = {"lead": world.inspector.account, "team": [world.inspector_2.account]}
    for who in (world.inspector_2, world.inspector):
        (result,) = await who.push(unregistered(visit) | team)
        assert result["status"] in ("stored", "flagged", "conflict"), result
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert len(seen["team"]) == 2


async def test_an_unregistered_site_in_another_province_is_not_the_inspectors(
    world: World,
) -> None:
    (result,) = await world.inspector.push(unregistered(ids.new(), province="74"))
    assert result["status"] == "rejected"


async def test_a_visit_that_names_no_place_is_refused(world: World) -> None:
    (result,) = await world.inspector.push(record(ids.new(), start=gate()))
    assert result["problem"]["code"] == "inspection/no-such-visit"


async def test_notes_of_both_officers_are_kept_in_order(world: World) -> None:
    visit = await world.begun()
    await world.inspector.push(record(visit, note="ประตูหลังล็อก"))
    await world.inspector_2.push(record(visit, note="พบผู้จัดการ"))
    seen = (await world.head.get(f"/v1/visits/{visit}")).json()
    assert [n["text"] for n in seen["notes"]] == ["ประตูหลังล็อก", "พบผู้จัดการ"]


async def test_the_representatives_name_is_nowhere_in_clear_and_its_opening_is_an_event(
    world: World, db: Database
) -> None:
    visit = await world.begun()
    op = record(visit, representative={"presence": "signed", "name": SECRET})
    await world.inspector.push(op)
    seen = await world.head.get(f"/v1/visits/{visit}")
    assert seen.json()["representative"] == "signed"
    assert SECRET not in seen.text
    async with db.read() as tx:
        tables = await tx.values(
            """
            select relname from pg_class
            where relnamespace = 'public'::regnamespace and relkind = 'r'
                and has_table_privilege(oid, 'select')
            """
        )
        assert "operation" in tables
        for table in tables:
            found = await tx.value(
                f'select count(*) from "{table}" t where t::text like $1',
                f"%{SECRET}%",
            )
            assert found == 0, f"the name stands in clear in {table}"
            raw = SECRET.encode().hex()
            found = await tx.value(
                f'select count(*) from "{table}" t where t::text like $1',
                f"%{raw}%",
            )
            assert found == 0, f"the name stands in clear in the bytes of {table}"
        count = "select count(*) from event where name = 'visit.unsealed' and record = $1"
        assert await tx.value(count, visit) == 0
        opened = await world.head.post(f"/v1/visits/{visit}/representative")
        assert opened.json() == {"presence": "signed", "name": SECRET, "signatories": []}
        assert await tx.value(count, visit) == 1
    assert (await world.auditor.post(f"/v1/visits/{visit}/representative")).status_code == 403
    elsewhere = await world.inspector_elsewhere.post(f"/v1/visits/{visit}/representative")
    assert elsewhere.status_code == 404


async def test_what_the_lead_says_of_the_outcome_is_not_overruled_by_a_colleague(
    world: World,
) -> None:
    visit = await world.begun()
    await world.inspector.push(record(visit, outcome="inspected"))
    (result,) = await world.inspector_2.push(record(visit, outcome="unsafe"))
    assert "conclusion.not_lead" in {f["code"] for f in result["flags"]}
    assert (await world.head.get(f"/v1/visits/{visit}")).json()["outcome"] == "inspected"
