"""The register over HTTP: who sees what, and what officers put right."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from api import ids
from api.factories.model import PERSONS_FACTORY
from tests.factories.conftest import add_licence
from tests.world import Person, World, encode


async def found(who: Person, **query: Any) -> list[dict[str, Any]]:
    answer = await who.get("/v1/factories", params={"limit": 200} | query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_number_is_found_in_any_spacing_and_in_thai_digits(world: World) -> None:
    (line,) = await found(world.inspector, q="โลหะกิจ")
    number, old = line["licences"][0]["number"], line["licences"][0]["number_old"]
    thai = number.translate({48 + n: 0x0E50 + n for n in range(10)})
    for spelling in (
        number,
        f'="{number}"',
        " ".join(number),
        f"{number[:4]}-{number[4:9]} – {number[9:]}",
        thai,
        old,
        old.replace("-", " – "),
    ):
        (hit,) = await found(world.inspector, number=spelling)
        assert hit["id"] == line["id"], spelling


async def test_an_almost_right_number_is_told_what_is_wrong_with_it(world: World) -> None:
    answer = await world.inspector.get("/v1/factories", params={"number": "10180000125418"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "factories/number-wrong"
    assert answer.json()["reason"] == "check_digit"


async def test_the_number_of_a_person_is_no_search_for_a_factory(world: World) -> None:
    answer = await world.inspector.get("/v1/factories", params={"number": "3100600445635"})
    assert answer.json()["reason"] == "kind"
    assert "3100600445635" not in answer.text


async def test_every_part_of_a_name_must_occur_in_any_order_and_spacing(world: World) -> None:
    a = await found(world.inspector, q="จำกัด ตัวอย่างโลหะ", province="11")
    b = await found(world.inspector, q="ตัวอย่าง โลหะ", province="11")
    assert {line["id"] for line in a} <= {line["id"] for line in b}
    assert a
    assert not await found(world.inspector, q="ตัวอย่างโลหะ ไม่มีคำนี้")


async def test_a_search_sign_in_a_name_is_only_a_letter(world: World) -> None:
    assert not await found(world.inspector, q="ตัว%าง โลหะกิจ")
    assert not await found(world.inspector, q="ตัว____าง โลหะกิจ")


async def test_one_letter_is_no_search(world: World) -> None:
    answer = await world.inspector.get("/v1/factories", params={"q": "ก"})
    assert answer.json()["code"] == "factories/query-too-short"


async def test_filters_narrow_the_list(world: World) -> None:
    everything = await found(world.inspector, province="11")
    assert {line["province"] for line in everything} == {"11"}
    class_2 = await found(world.inspector, province="11", licence_class=2)
    assert class_2
    assert all(any(x["licence_class"] == 2 for x in line["licences"]) for line in class_2)
    by_main = await found(world.inspector, province="11", category="22")
    assert {x["licences"][0]["category"] for x in by_main} == {"02201", "02202"}
    by_sub = await found(world.inspector, province="11", category="02202")
    assert {x["licences"][0]["category"] for x in by_sub} == {"02202"}
    stopped = await found(world.inspector, province="11", status="stopped")
    assert [x["licences"][0]["status"] for x in stopped] == ["stopped"]
    district = everything[0]["district"]
    there = await found(world.inspector, district=district)
    assert {line["district"] for line in there} == {district}


async def test_what_is_struck_off_is_listed_only_when_asked_for(world: World) -> None:
    (gone,) = await found(world.inspector, province="11", status="struck_off")
    assert gone["id"] not in {x["id"] for x in await found(world.inspector, province="11")}
    (hit,) = await found(world.inspector, number=gone["licences"][0]["number"])
    assert hit["id"] == gone["id"]


async def test_pages_join_without_gap_or_repetition(world: World) -> None:
    whole = [line["id"] for line in await found(world.inspector, province="11")]
    walked: list[str] = []
    cursor: str | None = None
    while True:
        query: dict[str, Any] = {"province": "11", "limit": 7}
        if cursor:
            query["cursor"] = cursor
        page = (await world.inspector.get("/v1/factories", params=query)).json()
        walked += [line["id"] for line in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert walked == whole
    assert len(set(walked)) == len(walked) > 30


async def test_the_nearest_come_first_and_none_beyond_the_radius(world: World) -> None:
    one = (await found(world.inspector, q="โลหะกิจ"))[0]
    here = f"{one['lat']},{one['lng']}"
    near = await found(world.inspector, near=here, radius_m=5_000)
    distances = [line["distance_m"] for line in near]
    assert near[0]["id"] == one["id"]
    assert distances == sorted(distances)
    assert distances[0] < 1
    assert distances[-1] <= 5_000
    first = (await world.inspector.get("/v1/factories", params={"near": here, "limit": 2})).json()
    following = await found(world.inspector, near=here, cursor=first["next"], radius_m=5_000)
    assert [x["id"] for x in first["items"] + following] == [x["id"] for x in near]


async def test_a_cursor_of_another_order_is_refused(world: World) -> None:
    page = (await world.inspector.get("/v1/factories", params={"limit": 1})).json()
    answer = await world.inspector.get(
        "/v1/factories", params={"cursor": page["next"], "near": "13.6,100.6"}
    )
    assert answer.json()["code"] == "ground/cursor-invalid"


async def test_officers_see_all_and_the_public_no_persons_name(world: World) -> None:
    persons = [
        line
        for line in await found(world.inspector, province="11")
        if line["name"].startswith("ตัวอย่าง")
    ]
    site = persons[0]["id"]
    full = (await world.inspector.get(f"/v1/factories/{site}")).json()
    assert full["licences"][0]["operator_name"] == "นายตัวอย่าง ทดสอบระบบ"
    assert full["position"]
    assert full["licences"][0]["hp"]
    for who in (world.citizen, world.stranger):
        seen = (await who.get(f"/v1/factories/{site}")).json()
        licence = seen["licences"][0]
        assert "ทดสอบระบบ" not in str(seen)
        assert seen["position"] is None
        assert seen["address"] is None
        assert licence["hp"] is None
        assert licence["number"] == full["licences"][0]["number"]
        assert licence["status"] == "operating"


async def test_a_search_by_a_persons_name_tells_the_public_nothing(world: World, db: Any) -> None:
    name = "นายตัวอย่าง ลับเฉพาะ"
    answer = await world.inspector.post(
        "/v1/factories", content=encode({"name": name, "province": "11"})
    )
    site = UUID(answer.json()["id"])
    await add_licence(db, site, name=name, operator_name=name, operator_kind="person")
    assert [x["id"] for x in await found(world.inspector, q="ลับเฉพาะ")] == [str(site)]
    assert await found(world.citizen, q="ลับเฉพาะ") == []
    seen = (await world.citizen.get(f"/v1/factories/{site}")).json()
    assert seen["name"] == PERSONS_FACTORY
    assert "ลับเฉพาะ" not in str(seen)


async def test_a_company_sees_its_own_factory_in_full_and_anothers_not(world: World) -> None:
    (site,) = [x["id"] for x in await found(world.operator, q="โลหะกิจ")]
    mine = (await world.operator.get(f"/v1/factories/{site}")).json()
    assert mine["licences"][0]["hp"] == 350.5
    assert mine["position"]
    other = (await world.stranger.get(f"/v1/factories/{site}")).json()
    assert other["licences"][0]["hp"] is None
    assert other["licences"][0]["operator_company"] is None
    assert other["licences"][0]["operator_name"]  # a company's name is no personal data


async def register(who: Person, **site: Any) -> dict[str, Any]:
    body = {"name": "โรงงานไม่มีใบอนุญาต ตัวอย่าง", "province": "11"} | site
    answer = await who.post("/v1/factories", content=encode(body))
    assert answer.status_code in (200, 201), answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_an_unregistered_factory_is_stored_once_and_found(world: World) -> None:
    id = ids.new()
    site = {"id": id, "name": "โรงหล่อลับ ตัวอย่าง", "lat": 13.6, "lng": 100.7}
    made = await register(world.inspector, **site)
    again = await register(world.inspector, **site)
    assert made == again
    assert made["registered"] is False
    assert made["licences"] == []
    assert str(id) in {x["id"] for x in await found(world.inspector, q="โรงหล่อลับ")}
    taken = await world.inspector.post(
        "/v1/factories", content=encode(site | {"province": "11", "name": "อื่น"})
    )
    assert taken.json()["code"] == "factories/id-taken"


async def test_an_officer_registers_only_in_the_provinces_of_the_office(world: World) -> None:
    answer = await world["inspector-elsewhere"].post(
        "/v1/factories", content=encode({"name": "ตัวอย่าง", "province": "11"})
    )
    assert answer.status_code == 404


async def test_a_place_that_is_not_in_the_province_is_refused(world: World) -> None:
    for place in (
        {"province": "11", "district": "7401"},
        {"province": "11", "district": "1199"},
        {"subdistrict": "119999"},
    ):
        answer = await world.inspector.post(
            "/v1/factories", content=encode({"name": "ตัวอย่าง"} | place)
        )
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] == "factories/place-unknown"


async def test_a_position_is_put_right_once_by_version(world: World) -> None:
    made = await register(world.inspector, name="ตัวอย่างพิกัด")
    body = encode({"position": {"lat": 13.61, "lng": 100.71}})
    path = f"/v1/premises/{made['id']}"
    answer = await world.inspector.request("PATCH", path, content=body, version=made["version"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["position"] == {"lat": 13.61, "lng": 100.71, "source": "officer"}
    stale = await world.inspector.request("PATCH", path, content=body, version=made["version"])
    assert stale.status_code == 409
    assert stale.json()["code"] == "ground/stale-version"
    swapped = await world.inspector.request(
        "PATCH",
        path,
        content=encode({"position": {"lat": 13.61, "lng": 13.61}}),
        version=answer.json()["version"],
    )
    assert swapped.json()["code"] == "factories/outside-thailand"
    (near,) = await found(world.inspector, near="13.61,100.71", radius_m=5)
    assert near["id"] == made["id"]


async def test_a_merge_keeps_both_numbers_names_and_ids_leading_to_one_site(
    world: World, db: Any
) -> None:
    a = await register(world["provincial-officer"], name="ตัวอย่างรวมหนึ่ง", lat=13.6, lng=100.6)
    b = await register(world["provincial-officer"], name="ตัวอย่างรวมสอง")
    first = await add_licence(db, UUID(a["id"]), name="ตัวอย่างรวมหนึ่ง")
    second = await add_licence(db, UUID(b["id"]), name="ตัวอย่างรวมสอง")
    answer = await world["provincial-officer"].request(
        "POST",
        f"/v1/premises/{a['id']}/merge",
        content=encode({"other": b["id"]}),
        version=a["version"],
    )
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["licences"]) == 2
    assert answer.json()["merged_from"] == [b["id"]]
    for number in (first, second):
        assert [x["id"] for x in await found(world.inspector, number=number)] == [a["id"]]
    assert [x["id"] for x in await found(world.inspector, q="รวมสอง")] == [a["id"]]
    assert (await world.inspector.get(f"/v1/factories/{b['id']}")).json()["id"] == a["id"]
    twice = await world["provincial-officer"].request(
        "POST",
        f"/v1/premises/{a['id']}/merge",
        content=encode({"other": b["id"]}),
        version=answer.json()["version"],
    )
    assert twice.json()["code"] == "factories/merge-impossible"


async def test_a_merge_tells_the_phones_that_one_record_is_gone(world: World, db: Any) -> None:
    a = await register(world.head, name="ตัวอย่างรวมสาม")
    b = await register(world.head, name="ตัวอย่างรวมสี่")
    answer = await world.head.request(
        "POST",
        f"/v1/premises/{a['id']}/merge",
        content=encode({"other": b["id"]}),
        version=a["version"],
    )
    assert answer.status_code == 200
    async with db.read() as tx:
        gone = await tx.value(
            "select gone from change where kind = 'factory' and scope = 'province:11'"
            " and record = $1",
            UUID(b["id"]),
        )
    assert gone is True


async def test_a_licence_moves_only_as_the_table_allows_and_its_history_says_so(
    world: World, db: Any
) -> None:
    site = await register(world.head, name="ตัวอย่างสถานะ")
    await add_licence(db, UUID(site["id"]), name="ตัวอย่างสถานะ")
    (licence,) = (await world.head.get(f"/v1/factories/{site['id']}")).json()["licences"]
    path = f"/v1/licences/{licence['id']}"

    async def to(status: str, version: int) -> Any:
        return await world.head.request(
            "PATCH", path, content=encode({"status": status}), version=version
        )

    wrong = await to("not_started", 1)
    assert wrong.json()["code"] == "factories/move-impossible"
    assert (await to("stopped", 1)).status_code == 200
    after = await to("struck_off", 2)
    assert after.status_code == 200
    (licence,) = after.json()["licences"]
    steps = [(x["status"], x["source"]) for x in licence["status_history"]]
    assert steps == [
        ("operating", "register"),
        ("stopped", "officer"),
        ("struck_off", "officer"),
    ]
    assert site["id"] not in {x["id"] for x in await found(world.head, q="ตัวอย่างสถานะ")}


async def test_an_operator_corrects_nothing(world: World) -> None:
    (site,) = [x["id"] for x in await found(world.operator, q="โลหะกิจ")]
    for who in (world.operator, world.citizen, world.auditor):
        answer = await who.request(
            "PATCH", f"/v1/premises/{site}", content=encode({"address": "ที่อื่น"}), version=1
        )
        assert answer.status_code == 403, who.key


async def test_all_categories_are_listed_with_their_thresholds(world: World) -> None:
    items = (await world.citizen.get("/v1/categories")).json()["items"]
    assert len(items) == 369
    assert sum(x["sub"] is None for x in items) == 107
    (mushroom,) = [x for x in items if x["code"] == "00208"]
    assert mushroom["classes"]["2"]["hp_up_to"] == 75


async def test_a_number_is_explained(world: World) -> None:
    old = (await world.citizen.get("/v1/factories/number/จ3-9(6)-100/51ปจ")).json()
    assert old["kind"] == "factory_old"
    assert old["normal"] == "จ3-9(6)-100/51ปจ"
    assert old["category"] == "00906"
    person = (await world.citizen.get("/v1/factories/number/3100600445635")).json()
    assert person["kind"] == "national_id"
    assert person["normal"] is None
    wrong = (await world.citizen.get("/v1/factories/number/10180000125418")).json()
    assert (wrong["kind"], wrong["reason"]) == ("wrong", "check_digit")


async def test_nobody_reads_the_register_without_signing_in(world: World) -> None:
    answer = await world.nobody.get("/v1/factories")
    assert answer.status_code == 401
