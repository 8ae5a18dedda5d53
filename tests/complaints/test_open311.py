"""Open311 GeoReport v2: programs tell and ask; what is not public is not there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
import pytest

from api import clock, codes, ids
from tests.complaints.conftest import by_code, tell
from tests.complaints.released import (
    form,
    program,
    put_back,
    release,
    released,
    somewhere,
    told_last_month,
)
from tests.world import World, encode

HOSTILE = (
    "'; drop table complaint; --",
    '=HYPERLINK("http://evil.invalid","x")',
    "<script>alert(1)</script>]]></description><x>&lt;",
    "{{7*7}} ${7*7} <%= 7*7 %> #{7*7} %s {0}",
    "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>",
    "\u202e\u0001\u000b\ufffe 😀",
    "' or '1'='1",
)


async def asked(world: World, path: str, **query: Any) -> httpx.Response:
    return await world.http.get(f"/open311/v2/{path}", params=query)


def refusal(found: httpx.Response, *, xml: bool) -> int:
    """The status of an error, which must be in Open311's own form and say the same inside."""
    assert b"/problems/" not in found.content and b'"request_id"' not in found.content
    if xml:
        assert found.headers["content-type"] == "text/xml; charset=utf-8", found.text
        root = ElementTree.fromstring(found.content)
        assert root.tag == "errors"
        (error,) = root
        assert error.tag == "error" and error.findtext("description")
        code = error.findtext("code")
    else:
        assert found.headers["content-type"] == "application/json; charset=utf-8", found.text
        (one,) = found.json()
        assert set(one) == {"code", "description"} and one["description"]
        code = one["code"]
    assert int(code or 0) == found.status_code
    return found.status_code


# --- discovery and services -----------------------------------------------------------------------


async def test_discovery_names_the_endpoint_in_both_formats(world: World) -> None:
    found = (await world.http.get("/open311/discovery.json")).json()
    (endpoint,) = found["endpoints"]
    assert endpoint["url"] == "http://testserver/open311/v2"
    assert endpoint["formats"] == ["text/xml", "application/json"]
    answer = await world.http.get("/open311/discovery.xml")
    assert answer.content.startswith(b'<?xml version="1.0" encoding="utf-8"?>')
    root = ElementTree.fromstring(answer.content)
    assert root.tag == "discovery"
    assert root.findtext("endpoints/endpoint/url") == endpoint["url"]
    assert [f.text for f in root.findall("endpoints/endpoint/formats/format")] == [
        "text/xml",
        "application/json",
    ]


async def test_services_are_the_categories_and_say_the_same_in_both_formats(world: World) -> None:
    found = (await asked(world, "services.json")).json()
    assert isinstance(found, list) and len(found) >= 9
    assert {s["type"] for s in found} == {"batch"}
    root = ElementTree.fromstring((await asked(world, "services.xml")).content)
    assert root.tag == "services" and {e.tag for e in root} == {"service"}
    assert [e.findtext("service_code") for e in root] == [s["service_code"] for s in found]
    assert {e.findtext("metadata") for e in root} == {"true"}


async def test_a_definition_asks_what_the_category_asks(world: World) -> None:
    found = (await asked(world, "services/odour.json")).json()
    types = {a["code"]: a["datatype"] for a in found["attributes"]}
    assert types["kind"] == "singlevaluelist" and types["since"] == "text"
    assert types["hours"] == "string" and types["happened_at"] == "datetime"
    assert [a["order"] for a in found["attributes"]] == list(range(1, len(types) + 1))
    kind = found["attributes"][0]
    assert {v["key"] for v in kind["values"]} >= {"solvent", "other"}
    root = ElementTree.fromstring((await asked(world, "services/odour.xml")).content)
    assert root.tag == "service_definition"
    keys = [v.findtext("key") for v in root.findall("attributes/attribute/values/value")]
    assert keys[: len(kind["values"])] == [v["key"] for v in kind["values"]]


# --- telling --------------------------------------------------------------------------------------


async def test_what_a_program_tells_becomes_a_complaint_that_its_person_can_follow(
    world: World,
) -> None:
    client = await program(world)
    answer = await client.post(form())
    assert answer.status_code == 200, answer.text
    (received,) = answer.json()
    assert "service_request_id" not in received
    given = (await asked(world, f"tokens/{received['token']}.json")).json()
    assert given[0]["token"] == received["token"]
    root = ElementTree.fromstring((await asked(world, f"tokens/{received['token']}.xml")).content)
    number = given[0]["service_request_id"]
    assert isinstance(number, int)
    assert root.findtext("request/service_request_id") == str(number)
    code = next(
        word for word in received["service_notice"].split() if codes.read(word, codes.SECRET)
    )
    (own,) = (await by_code(world, code).get("/v1/own-complaints")).json()["items"]
    assert own["answers"] == {"kind": "solvent"} and own["place"]["province"] == "11"
    async with world.db.read() as tx:
        row = "select channel || ' ' || public_id from complaint where id = $1"
        assert await tx.value(row, own["id"]) == f"open311 {number}"
        actor = "select actor from event where record = $1 and name = 'complaint.submitted'"
        assert await tx.value(actor, own["id"]) == "complainant"


async def test_what_a_program_tells_is_sealed_and_its_token_is_no_tracking_code(
    world: World,
) -> None:
    client = await program(world)
    (received,) = (await client.post(form())).json()
    assert (await by_code(world, received["token"]).get("/v1/own-complaints")).status_code == 401
    async with world.db.read() as tx:
        for table in ("complaint", "complainant", "event", "job", "open311_request", "api_client"):
            rows = await tx.values(f"select to_jsonb(x)::text from {table} x")
            hidden = ("ผู้ร้องตัวอย่าง", "0811111111", "hidden@", client.key, received["token"])
            for secret in hidden:
                assert not [r for r in rows if secret in r], (table, secret)


async def test_the_same_form_forty_times_at_once_is_one_complaint(world: World) -> None:
    client, told = await program(world), form()
    answers = await asyncio.gather(*(client.post(told) for _ in range(40)))
    assert {a.status_code for a in answers} == {200}, [a.text for a in answers]
    assert len({a.text for a in answers}) == 1
    async with world.db.read() as tx:
        count = "select count(*) from complaint where description = $1"
        assert await tx.value(count, told["description"]) == 1
    other = await program(world)
    (theirs,) = (await other.post(told)).json()
    assert theirs["token"] != answers[0].json()[0]["token"]


async def test_attributes_come_as_their_questions_ask_and_odd_ones_are_kept(world: World) -> None:
    client = await program(world)
    told = [
        *form(service_code="chemical_vapour").items(),
        ("attribute[now]", "yes"),
        ("attribute[happened_at]", "2026-11-20T21:30:00+07:00"),
        ("attribute[unheard][]", "a"),
        ("attribute[unheard][]", "b"),
        ("attribute[empty]", ""),
        ("media_url", "http://169.254.169.254/latest/meta-data"),
    ]
    answer = await client.post(told)
    assert answer.status_code == 200, answer.text
    async with world.db.read() as tx:
        severity, answers, flags, description, happened = await tx.one(
            lambda *row: row,  # type: ignore[arg-type]
            "select severity, answers::text, flags::text, description, happened_at::text "
            "from complaint where description like $1",
            f"{dict(told)['description']}%",
        )
    assert severity == "emergency"
    assert '"unheard": ["a", "b"]' in answers and "empty" not in answers
    assert "answer.unknown" in flags and "media.not_fetched" in flags
    assert "169.254" in description and happened.startswith("2026-11-20 14:30")


async def test_a_confidential_category_is_never_in_open311(world: World) -> None:
    client, id = await program(world), await told_last_month(world, category="other")
    assert (await release(world, id)).status_code == 200
    async with world.db.read() as tx:
        number = await tx.value("select public_id from complaint where id = $1", id)
    assert (await asked(world, f"requests/{number}.json")).status_code == 200
    try:
        await _confidential(world, True)
        found = (await asked(world, "services.json")).json()
        assert "other" not in {s["service_code"] for s in found}
        for path in ("services/other.json", f"requests/{number}.json"):
            assert refusal(await asked(world, path), xml=False) == 404
        of_it = await asked(world, "requests.json", service_code="other")
        assert refusal(of_it, xml=False) == 404
        assert (await asked(world, "requests.json", service_request_id=number)).json() == []
        assert refusal(await client.post(form(service_code="other")), xml=False) == 404
        again = await release(world, id)
        assert again.json()["code"] == "complaints/release-forbidden"
    finally:
        await _confidential(world, False)


async def _confidential(world: World, value: bool) -> None:
    async with world.db.begin() as tx:
        await tx.run(
            "update complaint_category set content = content || jsonb_build_object("
            "'confidential', $1::boolean) where code = 'other'",
            value,
        )


# --- asking ---------------------------------------------------------------------------------------


async def test_before_the_release_nothing_of_a_complaint_is_there_and_after_it_only_the_words(
    world: World,
) -> None:
    id = await told_last_month(world, description="คำของผู้ร้องเองห้ามเผยแพร่")
    async with world.db.read() as tx:
        number = await tx.value("select public_id from complaint where id = $1", id)
    assert refusal(await asked(world, f"requests/{number}.json"), xml=False) == 404
    assert (await asked(world, "requests.json", service_request_id=number)).json() == []
    assert (await release(world, id, en="A smell was told of (sample)")).status_code == 200
    answer = await asked(world, f"requests/{number}.json")
    (found,) = answer.json()
    assert found["description"].startswith("มีผู้แจ้งเรื่องกลิ่น")
    assert "A smell was told of" in found["description"]
    assert "ห้ามเผยแพร่" not in answer.text
    assert found["status"] == "open" and found["service_code"] == "odour"
    assert found["requested_datetime"][8:] == "01T00:00:00+07:00"
    assert found["lat"] is None and found["long"] is None  # too few others in the cell
    assert "สมุทรปราการ" in found["address"]
    root = ElementTree.fromstring((await asked(world, f"requests/{number}.xml")).content)
    assert root.tag == "service_requests"
    assert root.findtext("request/description") == found["description"]
    assert root.find("request/lat") is not None and root.findtext("request/lat") == ""


async def test_a_released_complaint_is_not_public_before_its_month_is_over(world: World) -> None:
    client = await program(world)
    (received,) = (await client.post(form())).json()
    (found,) = (await asked(world, f"tokens/{received['token']}.json")).json()
    number = found["service_request_id"]
    async with world.db.read() as tx:
        id = await tx.value("select id from complaint where public_id = $1", number)
    assert (await release(world, id)).status_code == 200
    assert refusal(await asked(world, f"requests/{number}.json"), xml=False) == 404
    await put_back(world, id)
    assert (await asked(world, f"requests/{number}.json")).status_code == 200


async def test_a_program_reads_the_status_of_its_own_and_nothing_else_of_it(world: World) -> None:
    client, other = await program(world), await program(world)
    told = form()
    (received,) = (await client.post(told)).json()
    (found,) = (await asked(world, f"tokens/{received['token']}.json")).json()
    number = found["service_request_id"]
    own = await client.status(number)
    assert own["status"] == "open" and own["service_code"] == "odour"
    shown = {k for k, v in own.items() if v is not None}
    assert shown == {
        *("service_request_id", "status", "status_notes", "service_name", "service_code")
    }
    path = f"requests/{number}.json"
    assert refusal(await asked(world, path, api_key=other.key), xml=False) == 404
    assert refusal(await asked(world, path, api_key="wrong"), xml=False) == 403
    many = await asked(world, "requests.json", service_request_id=f"{number},1", api_key=client.key)
    assert [r["service_request_id"] for r in many.json()] == [number]
    for state in ("awaiting_info", "inspection_scheduled", "order_issued"):
        async with world.db.begin() as tx:
            await tx.run("update complaint set state = $2 where public_id = $1", number, state)
        seen = await client.status(number)
        assert (seen["status"], seen["status_notes"]) == ("open", "กำลังดำเนินการ / In progress")


async def test_a_position_is_told_only_where_enough_others_lie_and_then_blurred(
    world: World,
) -> None:
    place = somewhere()
    numbers = [await released(world, place=place) for _ in range(4)]
    query = ",".join(map(str, numbers))
    few = (await asked(world, "requests.json", service_request_id=query)).json()
    assert [r["lat"] for r in few] == [None] * 4
    numbers.append(await released(world, place=place))
    query = ",".join(map(str, numbers))
    enough = (await asked(world, "requests.json", service_request_id=query)).json()
    assert len(enough) == 5
    for one in enough:
        assert abs(one["lat"] - place["lat"]) <= 0.01 and abs(one["long"] - place["lng"]) <= 0.01
        assert round(one["lat"] * 1000) % 10 == 5  # the middle of a cell


async def test_requests_are_filtered_by_service_status_and_months(world: World) -> None:
    noise = await released(world, category="noise", answers={})
    odour = await released(world)
    async with world.db.begin() as tx:
        await tx.run(
            "update complaint set state = 'closed', closed_at = now() where public_id = $1", noise
        )

    async def numbers(**query: Any) -> set[int]:
        found = await asked(world, "requests.json", **query)
        assert found.status_code == 200, found.text
        return {r["service_request_id"] for r in found.json()}

    assert {noise, odour} <= await numbers()
    assert noise in await numbers(service_code="noise") and odour not in await numbers(
        service_code="noise"
    )
    assert {noise, odour} <= await numbers(service_code="noise,odour")
    assert noise in await numbers(status="closed") and odour not in await numbers(status="closed")
    assert odour in await numbers(status="open") and noise not in await numbers(status="open")
    assert {noise, odour} <= await numbers(status="open,closed", service_code="", start_date="")
    past = {"start_date": "2025-01-01T00:00:00Z", "end_date": "2025-03-01T00:00:00+07:00"}
    assert not await numbers(**past)
    assert {noise} == await numbers(service_request_id=noise, **past)  # it overrides all else


async def test_a_finer_date_finds_no_more_than_the_month(world: World) -> None:
    number = await released(world)
    (one,) = (await asked(world, f"requests/{number}.json")).json()
    month = one["requested_datetime"]
    after = month.replace("01T00:00:00", "01T00:00:01")

    async def there(start: str) -> bool:
        found = await asked(world, "requests.json", start_date=start)
        assert found.status_code == 200, found.text
        return number in {r["service_request_id"] for r in found.json()}

    assert await there(month)
    assert not await there(after)  # on the 14th it came; no question finds that out


# --- what is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["json", "xml"])
async def test_every_error_is_in_open311s_own_form(world: World, extension: str) -> None:
    client, xml = await program(world), extension == "xml"

    async def get(path: str, **query: Any) -> int:
        return refusal(await asked(world, f"{path}.{extension}", **query), xml=xml)

    async def post(**fields: Any) -> int:
        told = {k: v for k, v in form(**fields).items() if v is not None}
        return refusal(await client.post(told, extension), xml=xml)

    assert await get("services", jurisdiction_id="elsewhere.example") == 404
    assert await get("services/nothing") == 404
    assert await get("requests", jurisdiction_id="elsewhere.example") == 404
    assert await get("requests", service_code="nothing") == 404
    assert await get("requests", status="new") == 400
    assert await get("requests", start_date="yesterday") == 400
    assert await get("requests", start_date="2026-01-01") == 400
    assert await get("requests", start_date="0001-01-01T00:00:00+14:00") == 400
    assert await get("requests", end_date="9999-12-31T23:59:59-14:00") == 400
    late = {"start_date": "2026-02-01T00:00:00Z", "end_date": "2026-01-01T00:00:00Z"}
    assert await get("requests", **late) == 400
    long = {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-06-01T00:00:00Z"}
    assert await get("requests", **long) == 400
    assert await get("requests", service_request_id=",".join(map(str, range(101)))) == 400
    assert await get("requests", service_code="x" * 3000) == 400
    for id in ("1", "0", "-1", "1e3", "99999999999999999999", "٣", "abc", "a.b"):
        assert await get(f"requests/{id}") == 404
    assert await get("tokens/NOTHING") == 404
    assert await get("nothing/here") == 404
    assert await get("requests", api_key="wrong") == 403
    assert await post(api_key="wrong") == 403
    assert await post(api_key="") == 403
    assert await post(service_code="nothing") == 404
    assert await post(service_code=None) == 400
    assert await post(jurisdiction_id="elsewhere.example") == 404
    assert await post(lat=None) == 400
    assert await post(lat=None, long=None) == 400
    for wrong in ("north", "nan", "inf", "91", "1e400", "13,6"):
        assert await post(lat=wrong) == 400
    assert await post(description="x" * 4001) == 400
    assert await post(description="NUL \0") == 400
    assert await post(phone="0" * 100) == 400
    assert await post(**{f"attribute[a{n}]": "x" for n in range(41)}) == 400
    assert await post(**{"attribute[kind]": "x" * 2001}) == 400
    for method in ("PUT", "DELETE", "PATCH"):
        found = await world.http.request(method, f"/open311/v2/requests.{extension}")
        assert refusal(found, xml=xml) == 405


async def test_the_one_jurisdiction_may_be_named_or_left_out(world: World) -> None:
    for query in ({}, {"jurisdiction_id": ""}, {"jurisdiction_id": "industry.go.th"}):
        assert (await asked(world, "services.json", **query)).status_code == 200


async def test_a_body_that_is_no_form_is_refused_in_its_own_form(world: World) -> None:
    path = "/open311/v2/requests.json"
    for kind, body in (
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("application/x-www-form-urlencoded", b"description=\xff\xfe"),
        ("application/x-www-form-urlencoded", b"description=%FF"),
        ("application/x-www-form-urlencoded", b"a=1&" * 2000),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 300_000),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 9_000_000),
    ):
        found = await world.http.post(path, content=body, headers={"Content-Type": kind})
        assert refusal(found, xml=False) == 400
    packed = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    found = await world.http.post(path, content=b"no gzip", headers=packed)
    assert refusal(found, xml=False) == 400


async def test_an_address_without_a_format_is_answered_in_xml(world: World) -> None:
    for path in ("services", "requests/1", "services/odour.html", "services/odour", "x.yaml"):
        assert refusal(await asked(world, path), xml=True) == 404


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_hostile_text_in_any_field_stays_text(world: World, hostile: str) -> None:
    client = await program(world)
    fields = ("description", "address_string", "first_name", "email", "device_id", "account_id")
    told = form(**dict.fromkeys(fields, hostile), media_url=hostile)
    told["attribute[since]"], told[f"attribute[{hostile[:20]}]"] = hostile, hostile
    answer = await client.post(told)
    assert answer.status_code == 200, answer.text
    for name in ("service_code", "lat", "jurisdiction_id", "api_key"):
        found = await client.post(form(**{name: hostile}), "xml")
        assert refusal(found, xml=True) in (400, 403, 404)
    for name in ("service_request_id", "service_code", "start_date", "end_date", "status"):
        found = await asked(world, "requests.xml", **{name: hostile})
        assert found.status_code in (200, 400, 404)
        ElementTree.fromstring(found.content)
    for path in ("services", "requests", "tokens"):
        found = await asked(world, f"{path}/{quote(hostile, safe='')}.json")
        assert found.status_code in (400, 404), found.text


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_released_words_cannot_break_out_of_xml_or_json(world: World, hostile: str) -> None:
    if "http" in hostile:
        hostile = hostile.replace("http://", "")
    number = await released(world, words={"th": f"ก {hostile}", "en": hostile})
    (plain,) = (await asked(world, f"requests/{number}.json")).json()
    assert plain["description"] == f"ก {hostile}\n\n{hostile}"
    answer = await asked(world, f"requests/{number}.xml")
    root = ElementTree.fromstring(answer.content)
    read = root.findtext("request/description") or ""
    assert read == plain["description"].translate({1: "\ufffd", 11: "\ufffd", 0xFFFE: "\ufffd"})
    assert [e.tag for e in root] == ["request"]
    assert "<script" not in answer.text and "<!ENTITY" not in answer.text


# --- keys and limits ------------------------------------------------------------------------------


async def test_a_key_is_told_once_and_ends_with_its_client(world: World) -> None:
    client = await program(world)
    path = f"/v1/api-clients/{client.id}"
    again = await world.administrator.put(path, content=encode({"name": "ใหม่", "per_hour": 5}))
    assert again.json()["key"] is None and again.json()["per_hour"] == 5
    listed = await world.administrator.get("/v1/api-clients")
    assert client.key not in listed.text and str(client.id) in listed.text
    assert (await client.post(form())).status_code == 200
    ended = await world.administrator.post(f"{path}/end")
    assert ended.status_code == 200 and ended.json()["ended_at"]
    assert refusal(await client.post(form()), xml=False) == 403
    gone = await world.administrator.post(f"/v1/api-clients/{ids.new()}/end")
    assert gone.json()["code"] == "complaints/no-such-client"
    for person in (world.head, world.citizen, world.auditor):
        assert (await person.get("/v1/api-clients")).status_code == 403
        assert (await person.put(path, content=encode({"name": "x"}))).status_code == 403


async def test_a_program_may_ask_as_often_as_was_agreed_and_failures_count(world: World) -> None:
    client = await program(world, per_hour=3)
    assert refusal(await client.post(form(service_code="nothing")), xml=False) == 404
    assert (await client.post(form())).status_code == 200
    assert (await client.post(form())).status_code == 200
    refused = await client.post(form())
    assert refusal(refused, xml=False) == 429
    assert int(refused.headers["Retry-After"]) > 0


async def test_one_device_of_a_program_has_limits_of_its_own(world: World) -> None:
    client, device = await program(world), f"device {ids.new()}"
    for _ in range(20):
        assert (await client.post(form(device_id=device))).status_code == 200
    assert refusal(await client.post(form(device_id=device)), xml=False) == 429
    assert (await client.post(form(device_id="another"))).status_code == 200


async def test_only_a_program_tells_by_open311(world: World) -> None:
    for person in (world.nobody, world.citizen, world["provincial-officer"]):
        assert (await tell(person, channel="open311")).status_code in (401, 403)


NAMES = ("first_name", "last_name", "phone", "email", "device_id", "account_id")


@pytest.mark.parametrize("named", [None, *NAMES])
async def test_the_same_words_of_nobody_known_are_a_retry_for_ten_minutes_and_then_another_person(
    world: World, named: str | None
) -> None:
    sender = await program(world)
    same = form(service_code="odour")
    same = {k: v for k, v in same.items() if k not in NAMES}
    if named is not None:
        same[named] = "0800000000"

    async def token(minutes: float) -> str:
        with clock.travel(to_noon + timedelta(minutes=minutes)):
            answer = await sender.post(same)
        assert answer.status_code in (200, 201), answer.text
        (one,) = answer.json()
        found: str = one["token"]
        return found

    day = clock.bangkok_date(clock.now())
    to_noon = datetime(day.year, day.month, day.day, 5, tzinfo=UTC) - clock.now()
    first = await token(3)
    assert await token(4) == first
    assert await token(12.9) == first  # in the next ten minutes of the clock, too
    assert (await token(13.1) == first) is (named is not None)
    assert (await token(180) == first) is (named is not None)
