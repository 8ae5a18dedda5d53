"""What evidence tells of people: sealed at rest, and shown to whom it concerns."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest_asyncio

from api import ids, sealed
from api.db import Database
from api.evidence import claims, queries, service
from api.permissions import Worker
from api.settings import Settings
from tests.evidence.conftest import Phone, Work, photograph
from tests.inspection.orders import served
from tests.world import World, encode, gate, record

CLAIMS: dict[str, Any] = {
    "lat": 13.61234,
    "lng": 100.59876,
    "accuracy_m": 7,
    "filename": "บ้านนางตัวอย่าง.jpg",
}
CAMERA = (13.61111, 100.59999)


@pytest_asyncio.fixture
async def claimed(world: World, work: Work) -> tuple[str, UUID]:
    """(address, id) of a photograph that a company proves a correction with."""
    order = await served(world)
    data = photograph(900, position=CAMERA, taken="2026:11:22 09:00:00")
    id = await Phone(world.operator).send(data, **CLAIMS)
    await work()
    path = f"/v1/company-orders/{order['id']}/corrections/{id}"
    said = await world.operator.put(path, content=encode({"note": "x", "evidence": [id]}))
    assert said.status_code == 200, said.text
    return f"/v1/evidence/{id}", id


async def openings(db: Database, id: UUID) -> int:
    async with db.read() as tx:
        found: int = await tx.value(
            "select count(*) from event where name = 'evidence.unsealed' and record = $1", id
        )
    return found


async def stored(db: Database, id: UUID) -> str:
    """Every column of the evidence, and of what was found out about it."""
    async with db.read() as tx:
        found: str = await tx.value(
            """
            select row_to_json(e)::text || row_to_json(x)::text
            from evidence e join evidence_examined x on x.evidence = e.id where e.id = $1
            """,
            id,
        )
    return found


async def test_file_name_and_positions_do_not_stand_openly_in_the_data_base(
    claimed: tuple[str, UUID], db: Database
) -> None:
    row = await stored(db, claimed[1])
    for told in ("13.6123", "100.5987", "13.611", "100.5999", "ตัวอย่าง"):
        assert told not in row
    assert '"said":"' in row
    assert '"place":"' in row


async def test_the_sender_sees_their_position_and_an_officer_who_does_leaves_an_event(
    claimed: tuple[str, UUID], world: World, db: Database
) -> None:
    path, id = claimed
    place = {"lat": CLAIMS["lat"], "lng": CLAIMS["lng"], "accuracy_m": 7.0}
    assert (await world.operator.get(path)).json()["position"] == place
    assert await openings(db, id) == 0
    assert (await world.inspector.get(path)).json()["position"] == place
    assert await openings(db, id) == 1


async def test_a_company_does_not_learn_where_an_officer_stood_nor_of_other_evidence(
    world: World, work: Work, db: Database
) -> None:
    first = await Phone(world.inspector).send(photograph(901), **CLAIMS)
    await work()  # which of several that wait is evidence first, is left to the workers
    id = await Phone(world.inspector).send(photograph(901), **CLAIMS)
    mine = await Phone(world.operator).send(photograph(901), **CLAIMS)
    await work()
    async with db.begin() as tx:
        company = await tx.value(
            "select company from company_member where account = $1", world.operator.account
        )
        await tx.run(
            """
            insert into evidence_claim (evidence, owner_kind, owner, province, company,
                visible_to_company, claimed_at)
            values ($1, 'visit', $1, '11', $2, true, now())
            """,
            id,
            company,
        )
    seen = (await world.operator.get(f"/v1/evidence/{id}")).json()
    own = (await world.operator.get(f"/v1/evidence/{mine}")).json()
    assert seen["position"] is None
    assert own["position"] is not None
    pulled = (await world.operator.get("/v1/sync", params={"kinds": "evidence"})).text
    assert str(mine) in pulled
    for told in (str(seen), str(own), pulled):
        assert "used_before" not in told
        assert str(first) not in told
    office = (await world.inspector.get(f"/v1/evidence/{id}")).json()
    (flag,) = [f for f in office["flags"] if f["code"] == "photo.used_before"]
    assert flag["facts"]["evidence"] == str(first)


async def test_positions_end_with_the_key_of_their_sender_and_the_evidence_stays(
    world: World, work: Work, db: Database
) -> None:
    id = await Phone(world.stranger).send(photograph(902, position=CAMERA), **CLAIMS)
    await work()
    async with db.begin(Worker("test")) as tx:
        key: UUID = await tx.value(
            "select p.data_key from account a join person p on p.id = a.person where a.id = $1",
            world.stranger.account,
        )
        kid, wrapped = (
            await tx.value("select kid from data_key where id = $1", key),
            await tx.value("select wrapped from data_key where id = $1", key),
        )
        await sealed.destroy_key(tx, key, reason="test")
    try:
        found = await world.stranger.get(f"/v1/evidence/{id}")
        assert (found.status_code, found.json()["position"]) == (200, None)
        async with db.read(Worker("test")) as tx:
            row = await service.one(tx, id)
            assert await service.made_where(tx, row) == (None, 0.0)
    finally:
        async with db.begin() as tx:
            await tx.run(
                "update data_key set kid = $2, wrapped = $3, destroyed_at = null where id = $1",
                key,
                kid,
                wrapped,
            )
        sealed.forget()


async def test_what_earlier_releases_stored_openly_can_be_sealed(
    world: World, work: Work, db: Database, conf: Settings
) -> None:
    id, under_way = await Phone(world.inspector).send(photograph(903, position=CAMERA)), ids.new()
    await work()
    owner = await Database.connect(conf.database_url, size=1, role="")
    try:
        async with owner.begin(Worker("test")) as tx:
            await tx.run(
                "update evidence set lat = 13.5, lng = 100.5, filename = 'นายตัวอย่าง' where id = $1",
                id,
            )
            await tx.run(
                """
                update evidence_examined set place = null, exif_lat = 14.5, exif_lng = 101.5
                where evidence = $1
                """,
                id,
            )
            await tx.run(
                """
                insert into upload (id, account, state, size, sha256, parts, lat, lng, filename,
                    created_at, expires_at)
                values ($1, $2, 'receiving', 9, sha256('x'), $1, 13.5, 100.5, 'นายตัวอย่าง', $3, $3)
                """,
                under_way,
                world.inspector.account,
                tx.now,
            )
            start = UUID(int=0)
            for of, wanted in zip(claims.STORED, (under_way, id, id), strict=True):
                assert await claims.seal_old(tx, of, start) == [wanted]
                assert await claims.seal_old(tx, of, start) == []
            plain = "select lat is null and filename = '' from upload where id = $1"
            assert await tx.value(plain, under_way)
            held = await queries.upload(tx, under_way)
            assert held is not None
            assert (await claims.said(tx, held)).lat == 13.5
            await tx.run("delete from upload where id = $1", under_way)
    finally:
        await owner.close()
    row = await stored(db, id)
    assert "13.5" not in row
    assert "14.5" not in row
    assert "ตัวอย่าง" not in row
    seen = (await world.inspector.get(f"/v1/evidence/{id}")).json()
    assert seen["position"] == {"lat": 13.5, "lng": 100.5, "accuracy_m": None}
    async with db.read(Worker("test")) as tx:
        assert (await service.made_where(tx, await service.one(tx, id)))[0] == (14.5, 101.5)


async def test_a_local_officer_sees_the_evidence_of_classes_1_and_2_of_their_area(
    world: World, work: Work, db: Database
) -> None:
    for class_, status in ((2, 200), (3, 404)):
        visit = await world.begun(await world.premises(class_=class_))
        id = await Phone(world.inspector).send(
            photograph(910 + class_), owner_kind="visit", owner=visit, item="E08"
        )
        await work()
        path = f"/v1/evidence/{id}"
        assert (await world.inspector_2.get(path)).json()["claimed"] is True
        assert (await world.local_officer.get(path)).status_code == status
        assert (await world.local_officer.get(f"{path}/content")).status_code == status
    async with db.begin() as tx:
        await tx.run("update evidence_claim set province = '10', class = 2 where evidence = $1", id)
    assert (await world.local_officer.get(path)).status_code == 404


async def test_a_local_officer_adds_photographs_to_their_own_visit(
    world: World, work: Work
) -> None:
    local, site = world.local_officer, await world.premises(class_=2)
    visit = await world.plan(site, lead=local.account, team=[])
    (begun,) = await local.push(record(visit, start=gate()))
    assert begun["status"] in ("stored", "flagged"), begun
    id = await Phone(local).send(photograph(920), owner_kind="visit", owner=visit, item="E08")
    await work()
    assert (await Phone(local).about(id))["claimed"] is True
