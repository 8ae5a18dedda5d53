"""What the tests of orders share: an accepted visit with findings, a signed and served order."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from api import clock, ids
from api.accounts.authority import grant_authority
from api.accounts.model import AuthorityGrant, Power
from api.db import Database
from api.inspection.orders.model import OrderKind
from api.permissions import Worker
from tests.evidence.conftest import Phone, photograph
from tests.world import Person, World, answer, do_jobs, encode, record, submit

FAILED = ("E08", "D04")
APPEAL = "อุทธรณ์ต่อรัฐมนตรีได้ภายใน 30 วันนับแต่วันที่ได้รับทราบคำสั่ง (มาตรา 41)"


async def accepted(world: World, *, premises: UUID | None = None) -> dict[str, Any]:
    """An accepted visit of a class 3 factory, with a finding for each of `FAILED`."""
    premises = premises or await world.premises(company=True)
    visit = await world.begun(premises)
    (done,) = await world.inspector.push(
        record(visit, answers=[answer(item, "fail") for item in FAILED], outcome="inspected")
    )
    assert done["status"] in ("stored", "flagged"), done
    await world.inspector.push(submit(visit))
    for action in ("take-up", "accept"):
        seen = (await world.head.get(f"/v1/visits/{visit}")).json()
        body = None if action == "take-up" else encode({"note": ""})
        moved = await world.head.post(
            f"/v1/visits/{visit}/{action}", content=body, version=seen["version"]
        )
        assert moved.status_code == 200, moved.text
    for finding in moved.json()["findings"]:
        if finding["state"] == "needs_confirmation":
            sure = await world.head.post(
                f"/v1/findings/{finding['id']}/confirm", version=finding["version"]
            )
            assert sure.status_code == 200, sure.text
    found: dict[str, Any] = (await world.head.get(f"/v1/visits/{visit}")).json()
    return found


def content(visit: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """The words of an order about every finding of `visit`."""
    return {
        "facts": "ทางหนีไฟชั้น 2 ถูกกั้น และการ์ดครอบสายพานถูกถอดออก",
        "law": ["พ.ร.บ.โรงงาน พ.ศ. 2535 มาตรา 37 วรรคหนึ่ง"],
        "reasons": "อาจเกิดอันตรายแก่คนงานเมื่อเกิดเพลิงไหม้",
        "required": [
            {"finding": f["id"], "required": f"แก้ไขข้อ {f['item']} ให้ถูกต้อง"}
            for f in visit["findings"]
        ],
        "days": 30,
        "hearing": {"type": "heard", "heard_on": "2026-11-20", "said": "รับว่าจะแก้ไข"},
        "appeal": APPEAL,
    } | parts


async def draft(
    world: World, visit: dict[str, Any], *, person: Person | None = None, **parts: Any
) -> dict[str, Any]:
    """A draft by the inspector; `parts` replace fields of the draft or of its content."""
    order = ids.new()
    words = content(visit)
    for name in list(parts):
        if name in words or name in ("measures", "part"):
            words[name] = parts.pop(name)
    body = {
        "kind": "correct",
        "premises": visit["premises"],
        "licence": visit["licence"],
        "visit": visit["id"],
        "content": words,
    } | parts
    found = await (person or world.inspector).put(f"/v1/orders/{order}", content=encode(body))
    assert found.status_code == 200, found.text
    drafted: dict[str, Any] = found.json()
    return drafted


async def allow(world: World, person: Person, power: Power = Power.sign_order, **more: Any) -> UUID:
    """Gives `person` a dated authority; returns its id."""
    assert person.account is not None
    id = ids.new()
    grant = AuthorityGrant(
        account=person.account,
        power=power,
        section="39" if power is Power.stop_operation else "37",
        instrument="คำสั่งแต่งตั้งตัวอย่าง",
        **{"valid_from": clock.bangkok_date(clock.now()) - timedelta(days=30)} | more,
    )
    async with world.db.begin(Worker("test")) as tx:
        await grant_authority(tx, id, grant)
    return id


async def sign(world: World, order: dict[str, Any], person: Person | None = None) -> Any:
    """What came back when `person` (the head) signed what they were shown."""
    person = person or world.head
    view = (await person.get(f"/v1/orders/{order['id']}/signing")).json()
    ticket = await world.ticket(person, view["sha256"])
    signature = {"type": "fresh_authentication", "sha256": view["sha256"], "ticket": ticket}
    return await person.post(
        f"/v1/orders/{order['id']}/sign",
        content=encode({"signature": signature}),
        version=order["version"],
    )


async def signed(world: World, visit: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    """An order under s.37 that the head has signed, with the authority to do so."""
    await allow(world, world.head)
    order = await draft(world, visit or await accepted(world), **parts)
    found = await sign(world, order)
    assert found.status_code == 200, found.text
    done: dict[str, Any] = found.json()
    assert done["kind"] == OrderKind.correct
    return done


def service(how: str = "personal", at: datetime | None = None, **more: Any) -> dict[str, Any]:
    """An attempt to serve, with the proof that its way asks for."""
    proofs: dict[str, Any] = {
        "personal": {"type": "signature", "name": "นายตัวอย่าง ผู้จัดการ"},
        "adult": {"type": "signature", "name": "นางตัวอย่าง พนักงาน", "relation": "พนักงาน"},
        "refused": {"type": "witness", "name": "ร.ต.ต. ตัวอย่าง", "authority": "police"},
        "posted": {"type": "witness", "name": "ปลัดอำเภอตัวอย่าง", "authority": "administrative"},
        "registered_post": {"type": "post", "tracking_no": "EX000000000TH"},
        "not_found": None,
    }
    found = {"how": how, "at": at or clock.now(), "place": "โรงงาน", "proof": proofs[how]} | more
    return {name: value for name, value in found.items() if value is not None}


async def serve(world: World, order: dict[str, Any], attempt: dict[str, Any] | None = None) -> Any:
    return await world.inspector.put(
        f"/v1/orders/{order['id']}/service/{ids.new()}", content=encode(attempt or service())
    )


async def served(world: World, visit: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    order = await signed(world, visit, **parts)
    found = await serve(world, order)
    assert found.status_code == 200, found.text
    return await read(world, order)


def due(order: dict[str, Any]) -> datetime:
    """The moment at which the last day of its time has passed: no holiday, so no fixed count."""
    return datetime.fromisoformat(order["due_at"])


async def read(world: World, order: dict[str, Any]) -> dict[str, Any]:
    found = await world.head.get(f"/v1/orders/{order['id']}")
    assert found.status_code == 200, found.text
    seen: dict[str, Any] = found.json()
    return seen


async def act(world: World, order: dict[str, Any], verb: str, **body: Any) -> Any:
    """The head's `verb` on the order as it now stands."""
    version = (await read(world, order))["version"]
    return await world.head.post(
        f"/v1/orders/{order['id']}/{verb}",
        content=encode(body) if body else None,
        version=version,
    )


async def proof(person: Person, db: Database) -> UUID:
    """A finished upload of `person`."""
    sent = await Phone(person).send(photograph(ids.new().int % 2**31))
    await do_jobs(db)
    return sent
