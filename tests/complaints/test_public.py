"""What the public learns: only what was released, never a point, a day, or a small number."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest

from api import clock, ids
from api.complaints.public import service as public
from api.permissions import Worker
from tests.complaints.conftest import tell
from tests.complaints.released import (
    moderator,
    put_back,
    release,
    released,
    somewhere,
    told_last_month,
)
from tests.world import World, encode

MAP = "/v1/public/complaints.geojson"
COUNTS = "/v1/public/complaint-counts"
MONTH = date(2026, 1, 1)


async def shown(world: World, **query: Any) -> dict[int, Any]:
    found = await world.nobody.get(MAP, params=query)
    assert found.status_code == 200, found.text
    return {f["id"]: f for f in found.json()["features"]}


# --- release --------------------------------------------------------------------------------------


async def test_a_release_needs_verb_authority_and_the_version_and_leaves_a_trace(
    world: World,
) -> None:
    id = await told_last_month(world)
    await moderator(world)
    for person, status in ((world.inspector, 403), (world["provincial-officer"], 403)):
        assert (await release(world, id, person)).status_code == status
    assert (await release(world, id, world["provincial-officer"])).json()["code"] == (
        "accounts/authority-needed"
    )
    body = encode({"th": "ข้อความตัวอย่าง"})
    path = f"/v1/complaints/{id}/release"
    assert (await world.head.post(path, content=body)).status_code == 422
    stale = await world.head.post(path, version=9, content=body)
    assert stale.json()["code"] == "ground/stale-version"
    assert (await release(world, id)).status_code == 200
    assert (await release(world, id, th="ข้อความใหม่")).status_code == 200
    async with world.db.read() as tx:
        kept = await tx.values(
            "select th from complaint_release where complaint = $1 order by at", id
        )
        heard = await tx.values(
            "select facts::text from event where record = $1 and name = 'complaint.released'", id
        )
    assert kept == ["มีผู้แจ้งเรื่องกลิ่นจากโรงงานในพื้นที่ (ตัวอย่าง)", "ข้อความใหม่"]
    assert len(heard) == 2 and all("authority" in facts for facts in heard)


async def test_an_officer_of_another_province_does_not_find_it(world: World) -> None:
    id = await told_last_month(world, place={"province": "21"})
    answer = await release(world, id)
    assert (answer.status_code, answer.json()["code"]) == (404, "complaints/no-such-complaint")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"th": " "}, "empty"),
        ({"th": "โทร 081-111 1111"}, "contact"),
        ({"th": "ติดต่อ somebody@example.invalid"}, "contact"),
        ({"th": "ดู https://example.invalid"}, "contact"),
        ({"th": "เขาว่า กลิ่นทินเนอร์แรงมากทุกคืน (ตัวอย่าง) ครับ"}, "copied"),
        ({"th": "มีเรื่อง", "en": "กลิ่นทินเนอร์แรงมากทุกคืน  (ตัวอย่าง)"}, "copied"),
    ],
)
async def test_the_words_must_be_the_officers_own(
    world: World, words: dict[str, str], reason: str
) -> None:
    answer = await release(world, await told_last_month(world), **words)
    assert (answer.json()["code"], answer.json()["reason"]) == ("complaints/words-unfit", reason)


async def test_a_long_passage_of_the_senders_is_found_anywhere_in_the_words(world: World) -> None:
    theirs = " ".join(f"คำที่{n}" for n in range(60))
    id = await told_last_month(world, description=theirs)
    assert (await release(world, id, th=f"เขาเขียนว่า {theirs[100:150]} จบ")).status_code == 422
    assert (await release(world, id, th=f"เขาเขียนว่า {theirs[100:120]} จบ")).status_code == 200


async def test_what_was_withdrawn_is_not_released(world: World) -> None:
    id = await told_last_month(world)
    async with world.db.begin() as tx:
        await tx.run("update complaint set left_at = now() where id = $1", id)
    answer = await release(world, id)
    assert (answer.status_code, answer.json()["code"]) == (409, "complaints/complaint-sealed")


async def test_nobody_learns_from_the_map_that_a_complainant_gave_up_or_that_it_was_merged(
    world: World,
) -> None:
    place = somewhere()
    numbers = [await released(world, place=place) for _ in range(5)]
    into = await told_last_month(world)
    before = await shown(world)
    assert len(before.keys() & set(numbers)) == 5
    async with world.db.begin() as tx:
        changed = "update complaint set {} where public_id = $1"
        await tx.run(changed.format("left_at = now()"), numbers[0])
        await tx.run(changed.format("left_at = now(), state = 'withdrawn'"), numbers[1])
        merged = changed.format("state = 'duplicate', merged_into = $2")
        await tx.run(merged, numbers[2], into)
    after = await shown(world)
    codes = [after[n]["properties"]["status"] for n in numbers]
    assert codes == ["open", "closed", "open", "open", "open"]
    assert after[numbers[1]]["properties"]["status_en"] == "Finished"
    for n in (0, 2, 3, 4):
        assert after[numbers[n]] == before[numbers[n]]
    async with world.db.begin() as tx:
        await tx.run("update complaint set state = 'closed', closed_at = now() where id = $1", into)
    assert (await shown(world))[numbers[2]]["properties"]["status"] == "closed"
    async with world.db.read() as tx:
        id = await tx.value("select id from complaint where public_id = $1", numbers[0])
        version = await tx.value("select version from complaint where id = $1", id)
    gone = await (await moderator(world)).post(f"/v1/complaints/{id}/unrelease", version=version)
    assert gone.status_code == 200, gone.text
    assert not (await shown(world)).keys() & set(numbers)  # too few are left in the cell


# --- the map --------------------------------------------------------------------------------------


async def test_fewer_than_enough_in_a_cell_are_not_on_the_map(world: World) -> None:
    place = somewhere()
    numbers = {await released(world, place=place) for _ in range(4)}
    unreleased = await told_last_month(world, place=place)
    assert not (await shown(world)).keys() & numbers
    assert (await release(world, unreleased)).status_code == 200
    found = await shown(world)
    assert len(found.keys() & numbers) == 4
    for id in numbers:
        lng, lat = found[id]["geometry"]["coordinates"]
        assert round(lat * 1000) % 10 == 5 and round(lng * 1000) % 10 == 5
        assert abs(lat - place["lat"]) <= 0.01
        about = found[id]["properties"]
        assert len(about["month"]) == 7 and about["province"] == "11"
        assert set(about) == {
            *("category", "category_th", "category_en", "status", "status_th", "status_en"),
            *("month", "province", "th", "en"),
        }
    taken_back = await _unrelease(world, unreleased)
    assert taken_back.status_code == 200 and taken_back.json()["th"] is None
    assert not (await shown(world)).keys() & numbers


async def _unrelease(world: World, id: Any) -> Any:
    async with world.db.read() as tx:
        version = await tx.value("select version from complaint where id = $1", id)
    head = await moderator(world)
    return await head.post(f"/v1/complaints/{id}/unrelease", version=version)


async def test_a_narrower_question_neither_shows_nor_hides_a_cell(world: World) -> None:
    place = somewhere()
    noise = await released(world, place=place, category="noise", answers={})
    odour = {await released(world, place=place) for _ in range(4)}
    assert (await shown(world, category="noise")).keys() & {noise, *odour} == {noise}
    assert (await shown(world, category="odour")).keys() & {noise, *odour} == odour
    assert noise not in await shown(world, province="10")
    assert noise not in await shown(world, last_month="2026-01")


async def test_complaints_of_this_month_are_not_on_the_map_nor_do_they_count_for_a_cell(
    world: World,
) -> None:
    place = somewhere()
    before = {await released(world, place=place) for _ in range(4)}
    id = ids.new()
    assert (await tell(world.nobody, id, place=place)).status_code == 200
    assert (await release(world, id)).status_code == 200
    assert not (await shown(world)).keys() & before
    await put_back(world, id)
    assert (await shown(world)).keys() >= before


async def test_nothing_public_changes_when_somebody_complains(world: World) -> None:
    """Byte for byte: neither the map, nor the counts, nor Open311."""
    paths = (MAP, COUNTS, "/open311/v2/requests.json", "/open311/v2/requests.xml")
    before = [(await world.nobody.get(path)).content for path in paths]
    for person in (world.nobody, world.citizen):
        assert (await tell(person, ids.new(), place=somewhere())).status_code == 200
    await told_last_month(world)
    assert [(await world.nobody.get(path)).content for path in paths] == before


async def test_what_is_public_is_cached_by_its_tag(world: World) -> None:
    for path in (MAP, COUNTS):
        first = await world.nobody.get(path)
        tag = first.headers["ETag"]
        assert first.headers["Cache-Control"] == "public, max-age=3600"
        again = await world.nobody.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.status_code, again.content) == (304, b"")
        other = await world.nobody.get(path, headers={"If-None-Match": '"other"'})
        assert other.content == first.content
    assert (await world.nobody.get(MAP)).headers["content-type"].startswith("application/geo+json")


@pytest.mark.parametrize("query", ["province=1' or 1", "first_month=2026-13", "category=A;--"])
async def test_questions_that_make_no_sense_are_told_so(world: World, query: str) -> None:
    for path in (MAP, COUNTS):
        assert (await world.nobody.get(f"{path}?{query}")).status_code == 422


# --- counts ---------------------------------------------------------------------------------------


def _told(found: public.MonthCount) -> dict[str, dict[str, int]]:
    return {p.province: {c.category: c.n for c in p.categories} for p in found.provinces}


def test_none_and_few_look_alike() -> None:
    few = public.suppressed(MONTH, {"11": {"odour": 30, "noise": 4}, "10": {"odour": 9}}, 5)
    none = public.suppressed(MONTH, {"11": {"odour": 34}, "10": {"odour": 9}}, 5)
    assert _told(few)["11"] == {} and few.n == none.n == 43
    assert "noise" not in _told(none)["11"]


def test_a_small_number_cannot_be_worked_out_from_a_sum() -> None:
    table = {"11": {"odour": 30, "noise": 7, "dust": 2}, "10": {"odour": 3}, "12": {"dust": 8}}
    found = public.suppressed(MONTH, table, 5)
    # 39 - 30 = 9 is 7 and 2 to those who know; 50 less 39 is 8 and 3.
    assert found.n == 50
    assert _told(found) == {"11": {"odour": 30}}


def test_no_sum_is_told_that_is_small_itself() -> None:
    assert public.suppressed(MONTH, {"11": {"odour": 4}}, 5) == public.MonthCount(
        "2026-01", None, []
    )
    assert public.suppressed(MONTH, {}, 5).n is None


@pytest.mark.parametrize("seed", range(300))
def test_whatever_the_counts_nothing_small_is_told_or_follows(seed: int) -> None:
    """Every sum less everything told below it is nothing, or at least the threshold."""
    drawn, least = random.Random(seed), 5
    table = {
        province: {
            category: n
            for category in ("odour", "noise", "dust", "waste")
            if (n := drawn.choice((0, 1, 2, 3, 4, 5, 6, 9, 40)))
        }
        for province in drawn.sample(("10", "11", "12", "13", "20", "21"), drawn.randint(1, 6))
    }
    found = public.suppressed(MONTH, table, least)
    for of in found.provinces:
        true = table[of.province]
        assert of.n == sum(true.values()) >= least
        assert all(c.n == true[c.category] >= least for c in of.categories)
        assert (rest := of.n - sum(c.n for c in of.categories)) == 0 or rest >= least
    if found.n is not None:
        assert found.n >= least
        assert (rest := found.n - sum(p.n for p in found.provinces)) == 0 or rest >= least
    else:
        assert not found.provinces


async def test_a_month_is_counted_once_after_it_has_settled_and_never_again(world: World) -> None:
    """Asked on two days, the numbers are the same, whatever came or was changed between them."""
    ago = 14  # a month that no other test has anything in
    taken = []
    for _ in range(7):
        id = ids.new()
        assert (await tell(world.nobody, id)).status_code == 200
        await put_back(world, id, ago)
        taken.append(id)
    async with world.db.begin() as tx:
        await tx.run(
            "update complaint set state = 'accepted' where id = any ($1::uuid[])", taken[:6]
        )
    month = public.first_of(clock.now())
    for _ in range(ago):
        month = public.first_of(public.begun(month) - timedelta(days=1))
    query = {"first_month": f"{month:%Y-%m}", "last_month": f"{month:%Y-%m}"}
    async with world.db.begin(Worker("test")) as tx:
        assert await public.freeze(tx) >= ago - 1
    first = (await world.nobody.get(COUNTS, params=query)).json()
    assert first["months"] == [
        {
            "month": f"{month:%Y-%m}",
            "n": 6,
            "provinces": [
                {"province": "11", "n": 6, "categories": [{"category": "odour", "n": 6}]}
            ],
        }
    ]
    async with world.db.begin() as tx:  # the seventh is taken up, one goes elsewhere
        await tx.run("update complaint set state = 'accepted' where id = $1", taken[6])
        await tx.run("update complaint set province = '10' where id = $1", taken[0])
    async with world.db.begin(Worker("test")) as tx:
        assert await public.freeze(tx) == 0
    assert (await world.nobody.get(COUNTS, params=query)).json() == first
    narrow = (await world.nobody.get(COUNTS, params=query | {"category": "noise"})).json()
    assert narrow["months"][0]["provinces"][0]["categories"] == []
    this = (await world.nobody.get(COUNTS)).json()["months"]
    assert f"{clock.now():%Y-%m}" not in {m["month"] for m in this}


async def test_a_month_that_is_over_is_not_counted_before_it_has_settled(world: World) -> None:
    async with world.db.begin(Worker("test")) as tx:
        await public.freeze(tx)
        last = await tx.value("select max(month) from complaint_month")
    if last is None:
        pytest.skip("nobody has complained yet")
    after = public.first_of(
        public.begun(public.first_of(public.begun(last) + timedelta(days=32))) + timedelta(days=32)
    )  # when the month that is next is over
    with clock.travel(public.begun(after) + timedelta(days=14) - clock.now()):
        async with world.db.begin(Worker("test")) as tx:
            assert await public.freeze(tx) == 0
            await _nothing_was_written(tx)


async def _nothing_was_written(tx: Any) -> None:
    assert await tx.value("select pg_current_xact_id_if_assigned() is null")
