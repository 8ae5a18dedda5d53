"""A card at the counter says who holds an account: once, of whoever stands there, or not at all."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from api import clock, codes, ids, sealed
from api.accounts import binding, officer_queries, signin
from api.accounts.model import Identity
from api.accounts.samples import BY_KEY
from api.db import Database
from api.permissions import Worker
from api.readers.bridges import freezing
from api.readers.model import Purpose
from api.readers.readings import service as readings
from api.readers.uses import queries as code_queries
from api.readers.views import MatchFace
from reader_bridge.fields import CardText, Name, PartialDate
from tests.readers.device import Desk, at_desk
from tests.world import Person, World, encode

NUMBERS = iter(
    [
        *("1999900005007", "1999900005015", "1999900005023", "1999900005031", "1999900005040"),
        *("1999900005058", "1999900005066", "1999900005074", "1999900005082", "1999900005091"),
        *(
            "1999900005104",
            "1999900005112",
            "1999900005121",
            "1999900005139",
            "1999900005147",
            "1999900005155",
        ),
    ]
)
FIELDS = ("cid", "name_th", "name_en", "expires")


@pytest_asyncio.fixture
async def desk(db: Database, world: World) -> Desk:
    async with db.begin() as tx:
        await tx.run("delete from rate_limit where bucket like 'account-code%'")
    return await at_desk(db, world)


async def holder(world: World, cid: str | None = None) -> Person:
    """Somebody who came through a provider, which told nothing but a subject (and `cid`)."""
    told = Identity(
        issuer="https://i-industry.example",
        subject=str(ids.new()),
        officers_only=False,
        cid=cid,
    )
    async with world.db.begin(Worker("test")) as tx:
        account = await binding.bind(tx, told)
        _, tokens = await signin.open_session(tx, account, "superapp-phone", "โทรศัพท์ตัวอย่าง")
    return Person(world.http, "holder", account, tokens.access_token)


def of(cid: str, **more: Any) -> CardText:
    name = Name(prefix="นาง", first="ตัวอย่าง", last="ผูกบัญชี")
    said = {"no_expiry": True} | more
    return CardText(cid=cid, name_th=name, name_en=Name(first="Sample", last="Holder"), **said)


async def card(
    desk: Desk, text: CardText, *, face: bool | None = True, about: UUID | None = None
) -> UUID:
    waiting = await desk.arm(Purpose.bind_account, about=about, fields=FIELDS)
    receipt = await desk.read(waiting, purpose="bind_account", text=text)
    assert receipt.reading is not None and desk.actor is not None
    if face is not None:
        async with desk.db.begin(desk.actor) as tx:
            said = MatchFace(matches=face, against="printed")
            await readings.match_face(tx, receipt.reading, said)
    return receipt.reading


async def code(person: Person) -> str:
    found = await person.post("/v1/me/account-codes")
    assert found.status_code == 200 and found.headers["cache-control"] == "no-store", found.text
    return str(found.json()["code"])


async def bind(officer: Person, reading: UUID, shown: str) -> tuple[int, dict[str, Any]]:
    path = f"/v1/readings/{reading}/bind-account"
    found = await officer.post(path, content=encode({"code": shown}))
    return found.status_code, found.json()


async def used(desk: Desk, reading: UUID) -> Any:
    return await desk.value("select used_at from reading where id = $1", reading)


async def test_an_account_without_a_number_gets_the_cards_and_its_holder_is_told(
    world: World, desk: Desk
) -> None:
    person, cid = await holder(world), next(NUMBERS)
    shown, reading = await code(person), await card(desk, of(cid))
    status, found = await bind(world.inspector, reading, shown.lower().replace("-", " "))
    assert status == 200, found
    assert found["known_before"] is False
    assert found["filled"] == ["cid", "name_th", "name_en"]
    profile = (await person.get("/v1/me/profile")).json()
    assert profile["cid_masked"].endswith(cid[-4:]) and profile["verified_at"]
    assert profile["name_th"] == "ตัวอย่าง ผูกบัญชี" and profile["name_en"] == "Sample Holder"
    await world.work()
    told = (await person.get("/v1/messages")).json()["items"]
    assert [m["title"] for m in told] == ["ยืนยันตัวตนที่เคาน์เตอร์แล้ว"]
    async with world.db.read() as tx:
        facts = await tx.value(
            "select facts::text from event where record = $1 and name = 'account.bound'",
            person.account,
        )
        stored = await tx.value(
            "select p.cid_index from person p join account a on a.person = p.id where a.id = $1",
            person.account,
        )
    assert cid not in facts and str(reading) in facts
    assert stored == sealed.index("cid", cid)


async def test_the_same_again_is_the_same_and_another_card_needs_another_code(
    world: World, desk: Desk
) -> None:
    person, cid = await holder(world), next(NUMBERS)
    shown, reading = await code(person), await card(desk, of(cid))
    once = await bind(world.inspector, reading, shown)
    assert once[0] == 200
    assert await bind(world.inspector, reading, shown) == once
    status, found = await bind(world.inspector, await card(desk, of(cid)), shown)
    assert (status, found["code"]) == (404, "readers/account-code-not-found")
    status, found = await bind(world.inspector, reading, await code(person))
    assert (status, found["code"]) == (409, "readers/reading-used")


async def test_a_number_that_was_known_stays_and_names_fill_only_what_is_unknown(
    world: World, desk: Desk
) -> None:
    cid = next(NUMBERS)
    person = await holder(world, cid)
    async with world.db.begin(Worker("test")) as tx:
        row = await binding.queries.person_of_account(tx, person.account or ids.new())
        assert row is not None
        await binding.fill(tx, row, None, "ชื่อเดิม", None)
    status, found = await bind(world.inspector, await card(desk, of(cid)), await code(person))
    assert (status, found["known_before"], found["filled"]) == (200, True, ["name_en"])
    assert (await person.get("/v1/me/profile")).json()["name_th"] == "ชื่อเดิม"


async def test_a_card_of_another_person_changes_nothing_and_the_administrator_is_told(
    world: World, desk: Desk
) -> None:
    """Both ways: another has the number already, or the account has another number."""
    taken = next(NUMBERS)
    await holder(world, taken)
    nobody_yet, other = await holder(world), await holder(world, next(NUMBERS))
    for person, cid, why in (
        (nobody_yet, taken, "accounts/national-id-elsewhere"),
        (other, next(NUMBERS), "accounts/national-id-differs"),
    ):
        before = (await person.get("/v1/me/profile")).json()
        reading = await card(desk, of(cid))
        status, found = await bind(world.inspector, reading, await code(person))
        assert (status, found["code"]) == (409, why)
        assert cid not in str(found)
        assert (await person.get("/v1/me/profile")).json() == before
        assert await used(desk, reading) is None
        async with world.db.read() as tx:
            facts = await tx.value(
                "select facts::text from event where record = $1 and name = $2",
                person.account,
                "account.binding_refused",
            )
        assert why.partition("/")[2] in facts and cid not in facts
    await world.work()
    told = (await world.administrator.get("/v1/messages")).text
    assert str(nobody_yet.account) in told and str(other.account) in told


async def test_one_number_goes_to_one_of_two_accounts_at_two_counters_at_once(
    world: World, desk: Desk, db: Database
) -> None:
    other, cid = await at_desk(db, world, "inspector-2"), next(NUMBERS)
    asked = [
        bind(world[key], await card(at, of(cid)), await code(await holder(world)))
        for key, at in (("inspector", desk), ("inspector-2", other))
    ]
    found = sorted(await asyncio.gather(*asked), key=lambda answer: answer[0])
    assert [status for status, _ in found] == [200, 409]
    assert found[1][1]["code"] == "accounts/national-id-elsewhere"


async def test_one_code_shown_at_two_counters_at_once_is_used_once(
    world: World, desk: Desk, db: Database
) -> None:
    other, cid = await at_desk(db, world, "inspector-2"), next(NUMBERS)
    shown = await code(await holder(world))
    asked = [
        bind(world[key], await card(at, of(cid)), shown)
        for key, at in (("inspector", desk), ("inspector-2", other))
    ]
    assert sorted([s for s, _ in await asyncio.gather(*asked)]) == [200, 404]


async def test_a_listed_officers_number_goes_to_no_second_account(world: World, desk: Desk) -> None:
    person = await holder(world)
    reading = await card(desk, of(BY_KEY["head"].cid))
    status, found = await bind(world.inspector, reading, await code(person))
    assert (status, found["code"]) == (409, "accounts/national-id-elsewhere")


async def test_the_number_of_a_listed_officer_who_came_by_e_mail_is_theirs_alone(
    world: World, desk: Desk
) -> None:
    """Their account has no number yet, their line got one afterwards."""
    cid, email = next(NUMBERS), f"{ids.new()}@example.invalid"
    entry = {"office": "pio-11", "name": "ตัวอย่าง", "roles": ["inspector"], "email": email}
    await world.administrator.post("/v1/officers", content=encode(entry))
    told = Identity(
        issuer="https://officers.example", subject=email, officers_only=True, email=email
    )
    async with world.db.begin(Worker("test")) as tx:
        account = await binding.bind(tx, told)
        _, tokens = await signin.open_session(tx, account, "superapp-phone", "โทรศัพท์ตัวอย่าง")
    officer = Person(world.http, "officer", account, tokens.access_token)
    listed = await world.administrator.post("/v1/officers", content=encode(entry | {"cid": cid}))
    assert listed.json()["account"] == str(account)
    other = await code(await holder(world))
    status, found = await bind(world.inspector, await card(desk, of(cid)), other)
    assert (status, found["code"]) == (409, "accounts/national-id-elsewhere")
    strange = await card(desk, of(next(NUMBERS)))
    status, found = await bind(world.inspector, strange, await code(officer))
    assert (status, found["code"]) == (409, "accounts/national-id-differs")
    status, found = await bind(world.inspector, await card(desk, of(cid)), await code(officer))
    assert (status, found["known_before"]) == (200, False)


async def test_no_role_comes_of_a_number_that_stands_on_the_officers_list(
    world: World, desk: Desk
) -> None:
    person, cid = await holder(world), next(NUMBERS)
    async with world.db.begin(Worker("test")) as tx:
        indexes = (sealed.index("cid", cid), None, None)
        fields = (ids.new(), desk.office, "ตัวอย่าง", "", ["provincial_head"], indexes)
        await officer_queries.insert_officer(tx, *fields, None, None, "", "")
    status, _ = await bind(world.inspector, await card(desk, of(cid)), await code(person))
    assert status == 200
    assert (await person.get("/v1/me")).json()["roles"] == ["citizen"]


@pytest.mark.parametrize("why", ["face", "expired", "no_number", "no_expiry"])
async def test_a_reading_that_does_not_say_who_stands_there_binds_nothing(
    world: World, desk: Desk, why: str
) -> None:
    person, text = await holder(world), of("1999900005007")
    if why == "expired":
        until = PartialDate(year=2020, month=1, day=1)
        text = of("1999900005007", expires=until, no_expiry=None)
    if why == "no_expiry":
        text = of("1999900005007", no_expiry=None)
    if why == "no_number":
        text = CardText(name_th=text.name_th)
    reading = await card(desk, text, face=None if why == "face" else True)
    status, found = await bind(world.inspector, reading, await code(person))
    assert (status, found["code"]) == (409, "readers/reading-not-enough")
    assert found["reason"] == why
    assert await used(desk, reading) is None


async def test_a_card_that_was_read_for_one_account_binds_no_other(
    world: World, desk: Desk
) -> None:
    person, other = await holder(world), await holder(world)
    cid = next(NUMBERS)
    reading = await card(desk, of(cid), about=person.account)
    status, found = await bind(world.inspector, reading, await code(other))
    assert (status, found["code"]) == (409, "readers/reading-for-other")
    assert (await bind(world.inspector, reading, await code(person)))[0] == 200


async def test_a_face_that_differs_binds_nothing(world: World, desk: Desk) -> None:
    reading = await card(desk, of("1999900005007"), face=False)
    status, found = await bind(world.inspector, reading, await code(await holder(world)))
    assert (status, found["code"]) == (409, "readers/reading-face-differs")


async def test_what_a_device_read_before_it_was_frozen_binds_nothing(
    world: World, desk: Desk
) -> None:
    reading = await card(desk, of("1999900005007"))
    async with desk.db.begin(Worker("test")) as tx:
        await freezing.freeze(tx, desk.bridge, "fork", {})
    status, found = await bind(world.inspector, reading, await code(await holder(world)))
    assert (status, found["reason"]) == (409, "device")
    assert await used(desk, reading) is None


async def test_a_card_that_was_read_for_something_else_binds_nothing(
    world: World, desk: Desk
) -> None:
    waiting = await desk.arm(Purpose.identify_complainant)
    reading = (await desk.read(waiting)).reading
    assert reading is not None
    status, found = await bind(world.inspector, reading, await code(await holder(world)))
    assert (status, found["code"]) == (409, "readers/reading-for-other")


async def test_a_colleagues_reading_and_an_own_account_bind_nothing(
    world: World, desk: Desk
) -> None:
    reading = await card(desk, of("1999900005007"))
    shown = await code(await holder(world))
    status, found = await bind(world["inspector-2"], reading, shown)
    assert (status, found["code"]) == (404, "readers/reading-not-found")
    status, found = await bind(world.inspector, reading, await code(world.inspector))
    assert (status, found["code"]) == (409, "readers/own-card")


async def test_a_code_ends_after_ten_minutes_and_with_the_next_one(
    world: World, desk: Desk
) -> None:
    person = await holder(world)
    first, second = await code(person), await code(person)
    reading = await card(desk, of(next(NUMBERS)))
    status, found = await bind(world.inspector, reading, first)
    assert (status, found["code"]) == (404, "readers/account-code-not-found")
    async with world.db.begin(Worker("test")) as tx:
        await tx.run(
            "update account_code set expires_at = $2 where account = $1 and expires_at > $2",
            person.account,
            tx.now,
        )
    status, found = await bind(world.inspector, reading, second)
    assert (status, found["code"]) == (404, "readers/account-code-not-found")
    assert await used(desk, reading) is None


async def test_wrong_codes_are_limited_and_right_or_mistyped_ones_do_not_count(
    world: World, desk: Desk
) -> None:
    reading = await card(desk, of("1999900005007"))
    for _ in range(12):
        status, found = await bind(world.inspector, reading, "AAAAAAAB")
        assert (status, found["code"]) == (422, "readers/account-code-mistyped")
    cid = next(NUMBERS)
    person = await holder(world, cid)
    for _ in range(2):
        status, _ = await bind(world.inspector, await card(desk, of(cid)), await code(person))
        assert status == 200
    said = [(await bind(world.inspector, reading, codes.new(8)))[0] for _ in range(11)]
    assert said == [404] * 10 + [429]


async def test_a_code_is_asked_for_six_times_an_hour(world: World, desk: Desk) -> None:
    person = await holder(world)
    said = [(await person.post("/v1/me/account-codes")).status_code for _ in range(7)]
    assert said == [200] * 6 + [429]


async def test_codes_that_nobody_showed_are_forgotten_and_the_others_kept(
    world: World, desk: Desk
) -> None:
    shown, never = await holder(world), await holder(world)
    cid = next(NUMBERS)
    status, _ = await bind(world.inspector, await card(desk, of(cid)), await code(shown))
    assert status == 200
    await code(never)
    with clock.travel(timedelta(days=2)):
        async with world.db.begin(Worker("test")) as tx:
            await code_queries.sweep(tx)
    async with world.db.read() as tx:
        left = await tx.values(
            "select account from account_code where account = any ($1)",
            [shown.account, never.account],
        )
    assert left == [shown.account]
