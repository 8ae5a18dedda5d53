"""A desk PC asks to become a device; a person with the right approves what they have seen."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from api import clock, codes, ids
from api.app import create_app
from api.db import Database
from api.permissions import Worker
from api.readers.bridges import enrolment_queries, identity
from api.settings import Settings
from reader_bridge.messages import Kind, Signed, fingerprint, sign
from reader_bridge.server_keys import enrolment_fingerprint
from tests.readers.bridge import FakeBridge, look, public
from tests.world import Person, World, encode


async def _begun(bridge: FakeBridge) -> dict[str, Any]:
    answer = await bridge.ask()
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def wrong_code() -> str:
    """One that nobody shows, without a typing error."""
    return codes.new(8)


async def test_a_pc_is_a_device_of_the_office_once_a_person_has_compared_its_fingerprint(
    world: World, db: Database
) -> None:
    bridge = FakeBridge(world)
    begun = await _begun(bridge)
    assert len(begun["user_code"]) == 9 and begun["user_code"][4] == "-"
    server, code = identity.shown().identity, begun["user_code"]
    assert begun["fingerprint"] == enrolment_fingerprint(public(bridge.key), server, code)
    assert (begun["expires_in"], begun["interval"]) == (900, 5)
    assert (await world.http.get(begun["verification_uri"])).status_code == 200
    approved = await bridge.approve(world.head, begun)
    assert approved.status_code == 200, approved.text
    assert approved.json()["fingerprint"] == fingerprint(public(bridge.key))
    for _ in range(2):  # the first answer may be lost
        granted = (await bridge.poll(begun)).json()
        assert granted["device"] == approved.json()["id"]
        assert granted["audience"] == "http://testserver"
        assert granted["office"].startswith("สำนักงานอุตสาหกรรมจังหวัด")
        assert granted["keys"] == msgspec.json.decode(encode(identity.shown()))
    async with db.read() as tx:
        told = await tx.values(
            """
            select name from event where kind = 'bridge_enrolment' and record = (
                select id from bridge_enrolment where bridge = $1) order by id
            """,
            UUID(granted["device"]),
        )
    assert told == ["bridge.enrolment_asked", "bridge.enrolment_approved"]


async def test_the_approver_is_not_shown_the_fingerprint_that_they_must_read_off_the_pc(
    world: World,
) -> None:
    bridge = FakeBridge(world)
    begun = await _begun(bridge)
    seen = await look(world.head, begun["user_code"].lower().replace("-", " "))
    assert seen.status_code == 200, seen.text
    assert seen.json()["name"] == "SAMPLE-PC"
    assert seen.json()["network"] == "127.0.0.1"
    assert seen.json()["key_protection"] == "file"
    for part in begun["fingerprint"].split():
        assert part not in seen.text.upper().replace(seen.json()["id"].upper(), "")


async def test_no_key_is_enrolled_by_somebody_who_does_not_have_it(world: World) -> None:
    owner, thief = FakeBridge(world), FakeBridge(world)
    stolen = sign(thief.key, Kind.enrolment, owner.enrolment())
    answer = await owner.send(stolen)
    assert (answer.status_code, answer.json()["reason"]) == (422, "signature")
    as_hello = sign(owner.key, Kind.hello, owner.enrolment())
    assert (await owner.send(as_hello)).json()["reason"] == "signature"


async def test_an_enrolment_made_for_another_server_is_refused_and_told_which_this_is(
    world: World,
) -> None:
    answer = await FakeBridge(world).ask(audience="https://elsewhere.example")
    assert (answer.status_code, answer.json()["reason"]) == (422, "audience")
    assert answer.json()["audience"] == "http://testserver"


@pytest.mark.parametrize("sign_bit", [0, 128])
@pytest.mark.parametrize("height", [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18])
async def test_no_key_under_which_anybody_could_sign_is_taken(
    world: World, height: int, sign_bit: int
) -> None:
    bridge = FakeBridge(world)
    raw = bytearray(height.to_bytes(32, "little"))
    raw[31] |= sign_bit
    body = msgspec.json.encode(bridge.enrolment(public_key=bytes(raw)))
    # The identity and a zero: a signature that needs no private key.
    answer = await bridge.send(Signed(body, (1).to_bytes(32, "little") + bytes(32)))
    assert (answer.status_code, answer.json()["reason"]) == (422, "key")


@pytest.mark.parametrize("body", [b"", b"{}", b"[" * 5000, b"\xff", b'{"public_key":"AAAA"}'])
async def test_what_is_no_enrolment_is_refused_without_a_fault(world: World, body: bytes) -> None:
    bridge = FakeBridge(world)
    answer = await bridge.send(Signed(body, bytes(64)))
    assert (answer.status_code, answer.json()["code"]) == (422, "readers/enrolment-wrong")


async def test_the_pc_is_told_to_wait_and_to_slow_down_as_rfc_8628_says(
    world: World, db: Database
) -> None:
    bridge = FakeBridge(world)
    begun = await _begun(bridge)
    first, hurried = await bridge.poll(begun), await bridge.poll(begun)
    assert (first.status_code, first.json()["error"]) == (400, "authorization_pending")
    assert first.json()["interval"] == 5
    assert (hurried.status_code, hurried.json()["error"]) == (400, "slow_down")
    with clock.travel(timedelta(seconds=5)):
        assert (await bridge.poll(begun)).json()["error"] == "authorization_pending"
    approved = await bridge.approve(world.head, begun)
    assert approved.status_code == 200
    assert (
        await bridge.poll(begun)
    ).status_code == 200  # nobody hurries for an answer that is there


async def test_a_refused_enrolment_never_becomes_a_device(world: World) -> None:
    bridge = FakeBridge(world)
    begun = await _begun(bridge)
    id = (await look(world.head, begun["user_code"])).json()["id"]
    for _ in range(2):
        refused = await world.head.post(f"/v1/bridges/enrolments/{id}/refuse")
        assert refused.status_code == 204, refused.text
    assert (await bridge.poll(begun)).json()["error"] == "access_denied"
    late = await bridge.approve(world.head, begun)
    assert (late.status_code, late.json()["state"]) == (409, "refused")


async def test_after_fifteen_minutes_a_code_is_good_for_nothing(world: World, db: Database) -> None:
    bridge = FakeBridge(world)
    begun = await _begun(bridge)
    id = (await look(world.head, begun["user_code"])).json()["id"]
    with clock.travel(timedelta(minutes=15)):
        await world.sign_in_again("head")
        assert (await bridge.poll(begun)).json()["error"] == "expired_token"
        assert (await look(world.head, begun["user_code"])).status_code == 404
        body = {"name": "x", "fingerprint": begun["fingerprint"][:14]}
        late = await world.head.post(f"/v1/bridges/enrolments/{id}/approve", content=encode(body))
        assert (late.status_code, late.json()["state"]) == (409, "expired")
        async with db.begin(Worker("test")) as tx:
            await enrolment_queries.sweep(tx)
            state = await tx.value("select state from bridge_enrolment where id = $1", UUID(id))
        assert state == "expired"
    with clock.travel(timedelta(days=8)):
        async with db.begin(Worker("test")) as tx:
            await enrolment_queries.sweep(tx)
            assert (
                await tx.value("select count(*) from bridge_enrolment where id = $1", UUID(id)) == 0
            )
        assert (await bridge.poll(begun)).json()["error"] == "expired_token"
    await world.sign_in_again("head")


async def test_an_unknown_device_code_learns_nothing(world: World) -> None:
    bridge = FakeBridge(world)
    answer = await bridge.poll({"device_code": secrets.token_urlsafe(32)})
    assert (answer.status_code, answer.json()["error"]) == (400, "expired_token")


# --- the fingerprint ------------------------------------------------------------------------------


async def test_five_wrong_fingerprints_lock_the_code_and_the_right_one_comes_too_late(
    world: World, db: Database
) -> None:
    bridge, other = FakeBridge(world), FakeBridge(world)
    begun = await _begun(bridge)
    wrong = fingerprint(public(other.key))[:14]
    left = []
    for _ in range(5):
        answer = await bridge.approve(world.head, begun, fingerprint=wrong)
        assert (answer.status_code, answer.json()["code"]) == (409, "readers/fingerprint-wrong")
        left.append(answer.json()["left"])
    assert left == [4, 3, 2, 1, 0]
    late = await bridge.approve(world.head, begun)
    assert (late.status_code, late.json()["state"]) == (409, "locked")
    assert (await bridge.poll(begun)).json()["error"] == "access_denied"
    async with db.read() as tx:
        assert (
            await tx.value("select count(*) from event where name = 'bridge.enrolment_locked'") == 1
        )


async def test_a_fingerprint_that_is_too_short_to_prove_anything_is_not_compared(
    world: World,
) -> None:
    bridge = FakeBridge(world)
    begun = await _begun(bridge)
    for short in ("", begun["fingerprint"][:9], "wxyzwxyzwxyz", begun["fingerprint"] + "0"):
        answer = await bridge.approve(world.head, begun, fingerprint=short)
        assert (answer.status_code, answer.json()["code"]) == (422, "ground/malformed")
    seen = await look(world.head, begun["user_code"])
    assert seen.json()["tries_left"] == 5
    whole = await bridge.approve(world.head, begun, fingerprint=begun["fingerprint"].lower())
    assert whole.status_code == 200, whole.text


# --- the code -------------------------------------------------------------------------------------


async def test_a_mistyped_code_is_told_as_one_and_not_counted(world: World) -> None:
    begun = await _begun(FakeBridge(world))
    code = begun["user_code"]
    swapped = code[1] + code[0] + code[2:] if code[0] != code[1] else code[:-1]
    for _ in range(30):
        answer = await look(world.head, swapped)
        assert (answer.status_code, answer.json()["code"]) == (422, "readers/code-mistyped")
    assert (await look(world.head, code)).status_code == 200


async def test_whoever_has_guessed_ten_codes_wrong_is_not_told_the_right_one_either(
    world: World,
) -> None:
    begun = await _begun(FakeBridge(world))
    for _ in range(10):
        assert (await look(world.head, wrong_code())).status_code == 404
    answer = await look(world.head, begun["user_code"])
    assert (answer.status_code, answer.json()["code"]) == (429, "ground/too-fast")
    assert answer.headers["retry-after"] == "360"
    assert (await look(world.department, begun["user_code"])).status_code == 200  # another person


async def test_many_wrong_codes_at_once_at_two_servers_do_not_get_past_the_limit(
    world: World, conf: Settings, db: Database
) -> None:
    second = httpx.ASGITransport(app=create_app(conf, db), client=("127.0.0.1", 40001))
    async with httpx.AsyncClient(transport=second, base_url="http://testserver") as http:
        there = Person(http, "head", world.head.account, world.head.token)
        asked = [look(person, wrong_code()) for _ in range(20) for person in (world.head, there)]
        answers = [a.status_code for a in await asyncio.gather(*asked)]
    assert answers.count(404) == 10
    assert answers.count(429) == 30


async def test_one_network_guesses_no_more_codes_under_several_accounts(
    world: World, db: Database
) -> None:
    people = (world.head, world.department, world.administrator)
    for person in people:
        for _ in range(10):
            assert (await look(person, wrong_code())).status_code == 404
    async with db.begin() as tx:  # as if further accounts had used up the network's other thirty
        await tx.run(
            "update rate_limit set tokens = tokens - 30 where bucket like 'bridge-code-network:%'"
        )
        await tx.run("delete from rate_limit where bucket like 'bridge-code-account:%'")
    for person in people:
        assert (await look(person, wrong_code())).status_code == 429


async def test_right_codes_use_up_nothing(world: World) -> None:
    begun = await _begun(FakeBridge(world))
    for _ in range(25):
        assert (await look(world.head, begun["user_code"])).status_code == 200
    for _ in range(10):
        assert (await look(world.head, wrong_code())).status_code == 404
    assert (await look(world.head, wrong_code())).status_code == 429


async def test_a_million_wrong_codes_hit_none_of_those_shown_and_only_ten_of_them_are_tried(
    world: World,
) -> None:
    begun = [await _begun(FakeBridge(world)) for _ in range(5)]
    shown = {codes.read(each["user_code"], 8) for each in begun}
    numbers = {_number(code or "") for code in shown}  # the eighth character follows from the seven
    assert {codes.completed(_seven(number), 8) for number in numbers} == shown
    assert not [n for n in range(1_000_000) if _guess(n) in numbers]
    tried = [await look(world.head, codes.completed(_seven(_guess(n)), 8) or "") for n in range(40)]
    assert [answer.status_code for answer in tried] == [404] * 10 + [429] * 30


def _guess(number: int) -> int:
    """Guesses that are spread over all 2^35."""
    return number * 0x9E3779B97F4A7C15 >> 29 & 2**35 - 1


def _seven(guess: int) -> str:
    return "".join(codes.ALPHABET[guess >> 5 * place & 31] for place in range(7))


def _number(code: str) -> int:
    return sum(codes.ALPHABET.index(code[place]) << 5 * place for place in range(7))


async def test_one_network_cannot_fill_the_table_with_enrolments(world: World) -> None:
    answers = [(await FakeBridge(world).ask()).status_code for _ in range(62)]
    assert answers.count(200) == 60
    assert answers[-1] == 429


# --- keys and offices -----------------------------------------------------------------------------


async def test_a_key_that_is_a_devices_already_is_not_enrolled_again(
    world: World, db: Database
) -> None:
    bridge = FakeBridge(world)
    first, second = await _begun(bridge), await _begun(bridge)
    assert (await bridge.approve(world.head, first)).status_code == 200
    twice = await bridge.approve(world.head, second)
    assert (twice.status_code, twice.json()["code"]) == (409, "readers/key-taken")
    assert (await bridge.ask()).json()["code"] == "readers/key-taken"


async def test_a_head_gives_no_device_to_another_office_and_the_department_to_any(
    world: World, db: Database
) -> None:
    async with db.read() as tx:
        far = await tx.value("select id from office where code = 'pio-21'")
    bridge = FakeBridge(world)
    begun = await _begun(bridge)
    for office in (far, ids.new()):
        answer = await bridge.approve(world.head, begun, office=office)
        assert (answer.status_code, answer.json()["code"]) == (422, "readers/office-out-of-reach")
    approved = await bridge.approve(world.department, begun, office=far)
    assert approved.status_code == 200, approved.text
    assert UUID(approved.json()["office"]) == far


async def test_of_many_who_approve_at_once_one_does_and_there_is_one_device(world: World) -> None:
    bridge = FakeBridge(world)
    begun = (await bridge.ask()).json()
    seen = (await look(world.head, begun["user_code"])).json()
    path = f"/v1/bridges/enrolments/{seen['id']}"
    body = encode({"name": "พีซีตัวอย่าง", "fingerprint": begun["fingerprint"][:14]})
    answers = await asyncio.gather(
        *(world.head.post(f"{path}/approve", content=body) for _ in range(8)),
        *(world.head.post(f"{path}/refuse") for _ in range(4)),
    )
    codes = sorted(a.status_code for a in answers)
    made = [a for a in answers if a.status_code == 200]
    assert len(made) <= 1 and set(codes) <= {200, 204, 409}, codes
    assert (await bridge.poll(begun)).status_code == (200 if made else 400)


async def test_no_more_than_five_fingerprints_are_compared_however_many_come_at_once(
    world: World,
) -> None:
    begun = (await FakeBridge(world).ask()).json()
    seen = (await look(world.head, begun["user_code"])).json()
    path = f"/v1/bridges/enrolments/{seen['id']}/approve"
    answers = await asyncio.gather(
        *(
            world.head.post(path, content=encode({"name": "x", "fingerprint": f"{n:012X}"}))
            for n in range(40)
        )
    )
    told = [a.json()["code"] for a in answers]
    assert 3 < told.count("readers/fingerprint-wrong") <= 5, told
