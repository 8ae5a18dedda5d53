"""The photographs of an order: signed with its words, shown in its document, listed where not."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api import settings
from api.db import Database
from api.documents import contents, pictures, rendering
from tests.documents import samples
from tests.documents.test_rendering import IMAGES, picture
from tests.evidence.conftest import Phone, photograph
from tests.inspection.orders import accepted, allow, draft, sign
from tests.world import World, do_jobs, encode, now

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


async def photographed(world: World, db: Database, *files: tuple[str, bytes]) -> dict[str, Any]:
    """An accepted visit with `files`, each of an item."""
    visit = await accepted(world)
    for item, data in files:
        claims = {"owner_kind": "visit", "owner": visit["id"], "taken_at": now().isoformat()}
        await Phone(world.inspector).send(data, item=item, **claims)
    await do_jobs(db)
    return visit


async def document(world: World, order: dict[str, Any]) -> dict[str, Any]:
    found = await world.head.get(f"/v1/documents/{order['document']}")
    assert found.status_code == 200, found.text
    content: dict[str, Any] = json.loads(found.json()["content"])["content"]
    return content


async def test_an_order_shows_the_photographs_of_its_findings_and_no_others(
    world: World, db: Database
) -> None:
    visit = await photographed(
        world,
        db,
        ("E08", photograph(301)),
        ("D04", photograph(302)),
        ("E01", photograph(303)),
        ("E08", photograph(304)),
    )
    await allow(world, world.head)
    order = await draft(world, visit)
    shown = json.loads((await world.head.get(f"/v1/orders/{order['id']}/signing")).json()["shown"])
    assert [p["item"] for p in shown["photographs"]] == ["D04", "E08", "E08"]
    signed = await sign(world, order)
    assert signed.status_code == 200, signed.text
    found = (await document(world, signed.json()))["photographs"]
    assert [p["sha256"] for p in found] == [p["sha256"] for p in shown["photographs"]]
    assert [p["caption"] for p in found] == ["ข้อ D04", "ข้อ E08", "ข้อ E08"]
    assert all(p["taken_at"] and p["shown"] for p in found)
    await do_jobs(db)
    pdf = await world.head.get(f"/v1/documents/{signed.json()['document']}/pdf")
    assert pdf.status_code == 200
    assert pdf.content.count(b"/Subtype/Image") + pdf.content.count(b"/Subtype /Image") >= 3


async def test_a_photograph_that_comes_between_showing_and_signing_is_shown_first(
    world: World, db: Database
) -> None:
    visit = await photographed(world, db, ("E08", photograph(311)))
    await allow(world, world.head)
    order = await draft(world, visit)
    before = (await world.head.get(f"/v1/orders/{order['id']}/signing")).json()
    await Phone(world.inspector).send(
        photograph(312), owner_kind="visit", owner=visit["id"], item="E08"
    )
    await do_jobs(db)
    ticket = await world.ticket(world.head, before["sha256"])
    signature = {"type": "fresh_authentication", "sha256": before["sha256"], "ticket": ticket}
    refused = await world.head.post(
        f"/v1/orders/{order['id']}/sign",
        content=encode({"signature": signature}),
        version=order["version"],
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "inspection/order-differs")
    assert (await sign(world, order)).status_code == 200


async def test_what_cannot_be_shown_or_is_beyond_the_limit_is_listed_by_its_hash(
    world: World, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = msgspec.structs.replace(settings.current(), order_photographs=2)
    monkeypatch.setattr(settings, "_current", few)
    broken = photograph(321)[:4000] + bytes(300)
    visit = await photographed(
        world,
        db,
        ("D04", HEIC),
        ("D04", broken),
        ("E08", photograph(322)),
        ("E08", photograph(323)),
    )
    await allow(world, world.head)
    signed = (await sign(world, await draft(world, visit))).json()
    said = await document(world, signed)
    assert [p["shown"] for p in said["photographs"]] == [True, True, False, False]
    wanted = list(contents.images(said))
    assert [str(id) for id in wanted] == [p["evidence"] for p in said["photographs"][:2]]
    assert await pictures.of(db, wanted) == {}  # neither of the two can be shown
    await do_jobs(db)
    found = await world.head.get(f"/v1/documents/{signed['document']}/pdf")
    assert found.status_code == 200
    assert b"/Subtype/Image" not in found.content


async def test_an_order_that_was_signed_before_photographs_were_bound_still_gets_its_document(
    world: World, db: Database
) -> None:
    visit = await photographed(world, db)
    await allow(world, world.head)
    signed = (await sign(world, await draft(world, visit))).json()
    async with db.begin() as tx:
        await tx.run(
            """
            update legal_order
            set signed_content = (signed_content::jsonb - 'photographs')::text where id = $1
            """,
            UUID(signed["id"]),
        )
    again = await world.head.post(f"/v1/orders/{signed['id']}/document?language=en")
    assert again.status_code == 201, again.text
    assert json.loads(again.json()["content"])["content"]["photographs"] == []


@pytest.mark.parametrize(("photos", "pages"), [(0, 2), (1, 3), (6, 3), (13, 4)])
def test_photographs_take_the_pages_that_they_need(photos: int, pages: int) -> None:
    order = samples.order()
    ids = [UUID(int=100 + n) for n in range(photos)]
    order.photographs = [
        contents.Photo(evidence=id, sha256="ab" * 32, caption="ข้อ E08", shown=n < 12)
        for n, id in enumerate(ids)
    ]
    images = IMAGES | {id: picture(100) for id in ids}
    assert len(rendering.pngs(samples.canonical("order", order), images, ppi=20)) == pages
