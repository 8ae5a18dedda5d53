"""Text that somebody hopes to have run stays text: in every field, on every way out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from api import ids
from tests.complaints.conftest import by_code, detail, do, secret, tell
from tests.complaints.matters import accepted, confirm, planned
from tests.complaints.test_export import one
from tests.complaints.test_open311 import HOSTILE
from tests.world import World, encode

TYPST = '#eval("1+1") $sum$ @cite <label> \\ *bold* #image("/etc/passwd") "#'


@pytest.mark.parametrize("hostile", [*HOSTILE, TYPST])
async def test_what_a_complainant_and_an_officer_write_is_read_as_it_was_written(
    world: World, hostile: str
) -> None:
    mark, mine, id = str(ids.new()), secret(), ids.new()
    text = f"{hostile} {mark}"
    premises = await world.premises(company=True)
    told = await tell(
        world.nobody,
        id,
        secret=mine,
        description=text,
        answers={"kind": hostile, "since": hostile, hostile[:30]: hostile},
        place={"lat": 13.6, "lng": 100.6, "province": "11", "address": hostile},
        factory={"name": hostile},
        contact={"name": hostile, "phone": hostile[:40], "email": hostile},
        device=hostile[:100],
    )
    assert told.status_code == 200, told.text
    me, own = by_code(world, mine), f"/v1/own-complaints/{id}"
    for kind, body in (("additions", {"text": text}), ("occurrences", {"text": text})):
        said = await me.put(f"{own}/{kind}/{ids.new()}", content=encode(body))
        assert said.status_code == 200, said.text
    await _worked_on(world, id, premises, text)
    for kind in ("notes", "messages", "calls"):
        said_ = {"text": text} | ({"reached": True} if kind == "calls" else {})
        path = f"/v1/complaints/{id}/{kind}/{ids.new()}"
        done = await world.inspector.put(path, content=encode(said_))
        assert done.status_code == 200, done.text
    seen = await detail(world.head, id)
    assert (seen["description"], seen["factory_named"]) == (text, hostile)
    assert seen["place"]["address"] == hostile and seen["answers"]["since"] == hostile
    assert {e["text"] for e in seen["entries"] if mark in e["text"]} == {text}
    assert (await me.get(own)).json()["description"] == text
    around = await world.head.get(f"/v1/complaints/{id}/around")
    assert around.status_code == 200, around.text
    visit = await accepted(world, (await planned(world, id))["id"])
    issued = await world.head.post(f"/v1/visits/{visit['id']}/case-file")
    assert issued.status_code == 201, issued.text
    content = msgspec.json.decode(issued.json()["content"])["content"]
    assert [c["what"] for c in content["complaints"]] == [text]
    await world.work()
    pdf = await world.head.get(f"/v1/documents/{issued.json()['id']}/pdf")
    assert pdf.status_code == 200 and pdf.content.startswith(b"%PDF-"), pdf.text
    resolved = {"outcome": "substantiated", "text": text}
    assert (await do(world.inspector, id, "resolve", resolved)).status_code == 200
    ended = (await me.get(own)).json()
    assert ended["decision"] == text
    row = await one(world.head, mark)
    assert row["description"] in (text, f"'{text}") and row["decision"] in (text, f"'{text}")
    assert row["factory_named"] in (hostile, f"'{hostile}")
    inbox: list[Any] = (await world.head.get("/v1/messages", params={"limit": 200})).json()["items"]
    assert not [m for m in inbox if mark in str(m)], "what somebody wrote is in no message"


async def _worked_on(world: World, id: UUID, premises: UUID, text: str) -> None:
    for person, verb, body in (
        (world.head, "accept", None),
        (world.head, "assign", {"officer": world.inspector.account}),
        (world.inspector, "begin", None),
        (world.inspector, "ask", {"id": ids.new(), "text": text}),
        (world.inspector, "inform", {"id": ids.new(), "text": text}),
    ):
        done = await do(person, id, verb, body)
        assert done.status_code == 200, (verb, done.text)
    await confirm(world, id, premises)
