"""The inbox: once, in two languages, one's own, in the phone's pull; devices end with sessions."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api import events, ids, job_loop, jobs, reactions, settings
from api.db import Tx
from api.inspection.visits import service as visits
from api.jobs import Handler, Job
from api.notify import service
from api.notify.service import PUSH_JOB
from api.permissions import Worker
from tests.notify.conftest import Post
from tests.sync.test_pull import pull
from tests.world import Person, answer, encode, now, submit
from tests.world import record as recorded


async def _inbox(person: Person, **query: Any) -> list[dict[str, Any]]:
    found = await person.get("/v1/messages", params=query)
    assert found.status_code == 200, found.text
    items: list[dict[str, Any]] = found.json()["items"]
    return items


async def test_a_message_is_read_in_the_language_of_the_request(post: Post) -> None:
    person = post.world.inspector
    message = await post.send(person, factory="โรงงานตัวอย่าง ก")
    (thai, *_rest) = await _inbox(person)
    assert thai["id"] == str(message)
    assert thai["text"].startswith("ผลการตรวจ โรงงานตัวอย่าง ก ")
    found = await person.get("/v1/messages", headers={"Accept-Language": "en"})
    assert found.json()["items"][0]["text"].startswith("The visit to โรงงานตัวอย่าง ก ")


async def test_the_same_key_puts_one_message_into_an_inbox_and_one_into_each(post: Post) -> None:
    one, other = post.world.inspector, post.world["inspector-2"]
    first = await post.send(one, key="same")
    assert await post.send(one, key="same") == first
    assert await post.send(other, key="same") != first
    assert [m["id"] for m in await _inbox(one)].count(str(first)) == 1


async def test_many_at_once_with_one_key_are_one_message(post: Post) -> None:
    person, key = post.world["inspector-2"], f"race {ids.new()}"
    found = await asyncio.gather(*(post.send(person, key=key) for _ in range(8)))
    assert len(set(found)) == 1
    async with post.db.read() as tx:
        assert await tx.value("select count(*) from message where key = $1", key) == 1
        told = "select count(*) from event where record = $1 and name = 'message.sent'"
        assert await tx.value(told, found[0]) == 1


async def test_a_message_without_all_its_facts_is_not_sent(post: Post) -> None:
    async with post.db.begin(Worker("test")) as tx:
        account = post.world.inspector.account or ids.new()
        about = ("visit", ids.new())
        for template in ("visit.returned", "no.such"):
            with pytest.raises(KeyError):
                await service.send(
                    tx, account=account, template=template, facts={}, about=about, key="k"
                )


async def test_the_list_goes_on_where_the_page_ended(post: Post) -> None:
    person = post.world["provincial-officer"]
    sent = [str(await post.send(person)) for _ in range(5)]
    first = (await person.get("/v1/messages", params={"limit": 2})).json()
    assert [m["id"] for m in first["items"]] == [sent[4], sent[3]]
    following = {"limit": 2, "cursor": first["next"]}
    second = (await person.get("/v1/messages", params=following)).json()
    assert [m["id"] for m in second["items"]] == [sent[2], sent[1]]


async def test_reading_counts_down_once_and_up_to_a_message(post: Post) -> None:
    person = await post.device("ok-1", key="local-officer")
    sent = [await post.send(person) for _ in range(4)]

    async def unread() -> int:
        count: int = (await person.get("/v1/messages/unread")).json()["unread"]
        return count

    before = await unread()
    for _ in range(2):
        read = await person.post(f"/v1/messages/{sent[3]}/read")
        assert read.status_code == 200
    assert await unread() == before - 1
    at = read.json()["read_at"]
    assert at is not None
    found = await person.post("/v1/messages/read", content=encode({"up_to": sent[1]}))
    assert found.status_code == 200, found.text
    assert found.json()["unread"] == await unread()
    assert [m["id"] for m in await _inbox(person, unread=True)] == [str(sent[2])]
    assert (await _inbox(person))[0]["read_at"] == at, "read once, at that moment"


async def test_anothers_message_does_not_exist(post: Post) -> None:
    message = await post.send(post.world.inspector)
    other = post.world["inspector-2"]
    assert (await other.post(f"/v1/messages/{message}/read")).status_code == 404
    up_to = await other.post("/v1/messages/read", content=encode({"up_to": message}))
    assert up_to.status_code == 404
    assert str(message) not in (await other.get("/v1/messages?limit=200")).text
    assert str(message) not in str(await _pulled(other))
    async with post.db.read() as tx:
        assert await tx.value("select read_at from message where id = $1", message) is None


async def _pulled(person: Person, cursor: str | None = None) -> tuple[list[dict[str, Any]], str]:
    found = list[dict[str, Any]]()
    while True:
        query = {"kinds": "message"} | ({"cursor": cursor} if cursor else {})
        page = (await person.get("/v1/sync", params=query)).json()
        found += page["changes"]
        cursor = page["next"]
        if not page["more"]:
            return found, page["next"]


async def test_a_phone_pulls_its_messages_in_both_languages_and_again_when_read(
    post: Post,
) -> None:
    person = post.world.inspector
    _before, cursor = await _pulled(person)
    message = await post.send(person, factory="โรงงานตัวอย่าง ข")
    (change,), cursor = await _pulled(person, cursor)
    record = change["record"]
    assert (change["kind"], change["id"], record["read_at"]) == ("message", str(message), None)
    assert "โรงงานตัวอย่าง ข" in record["text"]["th"]
    assert record["title"]["en"] == "A visit awaits your review"
    await person.post(f"/v1/messages/{message}/read")
    (change,), _cursor = await _pulled(person, cursor)
    assert change["record"]["read_at"] is not None


# --- devices --------------------------------------------------------------------------------------


async def test_a_session_has_one_device_and_a_token_one_owner(post: Post) -> None:
    person = await post.device("t-1")
    second = ids.new()
    assert (
        await person.put(f"/v1/devices/{second}", content=encode({"token": "t-2"}))
    ).status_code == 200
    assert await post.tokens() == {"t-2"}
    refreshed = await person.put(f"/v1/devices/{second}", content=encode({"token": "t-3"}))
    assert refreshed.json()["id"] == str(second)
    assert await post.tokens() == {"t-3"}
    await post.device("t-3", key="inspector")
    async with post.db.read() as tx:
        owners = await tx.values("select account from device where token = 't-3'")
    assert owners == [post.world.inspector.account]


async def test_a_device_is_removed_by_its_owner_only(post: Post) -> None:
    person = await post.device("t-1")
    async with post.db.read() as tx:
        device = await tx.value("select id from device where token = 't-1'")
    path = f"/v1/devices/{device}"
    assert (await post.world.inspector.request("DELETE", path)).status_code == 404
    taken = await post.world.inspector.put(path, content=encode({"token": "t-9"}))
    assert (taken.status_code, taken.json()["code"]) == (404, "notify/no-such-device")
    assert (await person.request("DELETE", path)).status_code == 204
    assert (await person.request("DELETE", path)).status_code == 404
    assert await post.tokens() == set()


async def test_a_token_with_blanks_or_without_end_is_refused(post: Post) -> None:
    for token in ("", "a b", "ก", "x" * 1025):
        found = await post.world.inspector.put(
            f"/v1/devices/{ids.new()}", content=encode({"token": token})
        )
        assert found.status_code == 422, token


async def test_after_signing_out_nothing_is_pushed_and_the_token_is_gone(post: Post) -> None:
    person = await post.device("ok-1")
    await post.send(person)
    assert (await person.post("/v1/session/end")).status_code == 204
    await post.work(PUSH_JOB)
    assert post.fcm.requests == [], "also before the token was removed"
    await post.work("notify.forget_devices")
    assert await post.tokens() == set()


async def test_a_lost_phone_and_a_suspended_account_have_no_device(post: Post) -> None:
    lost = await post.device("ok-lost", key="inspector-2")
    devices = (await lost.get("/v1/sessions")).json()["items"]
    (current,) = [d for d in devices if d["current"]]
    ended = await post.world["inspector-2"].request("DELETE", f"/v1/sessions/{current['id']}")
    assert ended.status_code == 204
    gone = await post.device("ok-gone", key="citizen")
    admin = post.world.administrator
    assert gone.account is not None
    body = encode({"reason": "test"})
    done = await admin.post(f"/v1/accounts/{gone.account}/suspend", content=body)
    assert done.status_code in (200, 204), done.text
    try:
        await post.work("notify.forget_devices")
        assert await post.tokens() == set()
    finally:
        await admin.post(f"/v1/accounts/{gone.account}/restore")
        await post.world.sign_in_again("citizen")  # a suspension ended all their sessions


# --- who is told ----------------------------------------------------------------------------------


async def _about(person: Person, record: UUID) -> list[dict[str, Any]]:
    return [m for m in await _inbox(person, limit=200) if m["about"]["id"] == str(record)]


async def test_a_visit_tells_its_head_then_its_team_then_its_factory(post: Post) -> None:
    world = post.world
    visit = await world.begun(await world.premises(company=True))
    await world.inspector.push(recorded(visit, answers=[answer("E08", "fail")]), submit(visit))
    await post.work()
    (told,) = await _about(world.head, visit)
    assert (told["template"], told["about"]["kind"]) == ("visit.submitted", "visit")
    for other in (world.inspector, world.department, world.operator, world["inspector-elsewhere"]):
        assert await _about(other, visit) == []

    version = (await world.head.get(f"/v1/visits/{visit}")).json()["version"]
    await world.head.post(f"/v1/visits/{visit}/take-up", version=version)
    returned = await world.head.post(
        f"/v1/visits/{visit}/return",
        version=version + 1,
        content=encode({"items": ["E08"], "note": "ขอภาพ"}),
    )
    assert returned.status_code == 200, returned.text
    await post.work()
    for member in (world.inspector, world["inspector-2"]):
        (told,) = await _about(member, visit)
        assert told["template"] == "visit.returned"
        assert " 1 " in told["text"]

    await world.inspector.push(submit(visit))
    await post.work()
    assert len(await _about(world.head, visit)) == 2, "submitted again, told again"
    version = (await world.head.get(f"/v1/visits/{visit}")).json()["version"]
    await world.head.post(f"/v1/visits/{visit}/take-up", version=version)
    accepted = await world.head.post(
        f"/v1/visits/{visit}/accept", version=version + 1, content=encode({"note": ""})
    )
    assert accepted.status_code == 200, accepted.text
    await post.work()
    shown = await world.shown_as(visit)
    (told,) = await _about(world.operator, shown)
    assert (told["template"], told["about"]["kind"]) == ("visit.accepted", "company_visit")
    assert str(visit) not in str(told)
    assert await _about(world.stranger, shown) == []


async def test_a_review_that_is_overdue_tells_the_department(post: Post) -> None:
    world = post.world
    visit = await world.begun()
    await world.inspector.push(submit(visit))
    async with post.db.begin(Worker("timer")) as tx:
        await visits.escalate_review(tx, visit)
    await post.work()
    (told,) = await _about(world.department, visit)
    assert told["template"] == "visit.review_overdue"


async def test_a_job_that_is_killed_or_run_again_tells_nobody_twice(post: Post) -> None:
    """The message and the end of its job are one transaction: before it, neither is there."""
    world = post.world
    visit = await world.begun()
    await world.inspector.push(submit(visit))
    name = "tell.visit_submitted"
    real = reactions.JOBS[name]

    async def dies(tx: Tx, job: Job) -> None:
        assert real.inside is not None
        await real.inside(tx, job)
        raise asyncio.CancelledError

    async with post.db.begin(Worker("test")) as tx:
        (job,) = await jobs.take(tx, {name: real}, 10)
    with pytest.raises(asyncio.CancelledError):
        await job_loop.run(post.db, job, Handler(inside=dies))
    assert await _about(world.head, visit) == []
    await job_loop.run(post.db, job, real)
    await job_loop.run(post.db, job, real)
    async with post.db.begin(Worker("test")) as tx:  # and were the job written a second time
        await jobs.enqueue(tx, name, job.args)
    await post.work()
    assert len(await _about(world.head, visit)) == 1


def test_every_told_event_has_a_template() -> None:
    from api.complaints import telling
    from api.notify import texts

    told = {event for event, names in reactions.REACTIONS.items() for n in names if "tell." in n}
    told -= telling.COMPLAINANTS - set(telling.OFFICERS)
    told |= {f"own_{telling.TOLD_AS.get(event, event)}" for event in telling.COMPLAINANTS}
    assert told <= set(texts.templates())


# --- the end of a message -----------------------------------------------------------------------


async def _of_age(post: Post, person: Person, days: int) -> UUID:
    """A message to `person` that was sent, and pushed to a device, so many days ago."""
    at = now() - timedelta(days=days)
    id = UUID(int=ids.first_at(at).int | ids.new().int & (1 << 62) - 1)
    async with post.db.begin(Worker("test")) as tx:
        await tx.run(
            """
            insert into message (id, account, template, facts, about_kind, about, key, sent_at)
            values ($1::uuid, $2, 'visit.submitted', '{"factory": "x"}', 'visit', $1::uuid,
                $1::uuid::text, $3)
            """,
            id,
            person.account,
            at,
        )
        await tx.run("insert into pushed (message, device, at) values ($1, $1, $2)", id, at)
        scopes = [events.account(person.account or ids.new())]
        await events.record(tx, "message.sent", "message", id, scopes=scopes)
    return id


async def test_a_message_whose_time_is_over_leaves_inbox_and_phone_and_a_younger_one_stays(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "EXPIRE_AT_ONCE", 2)  # several rounds
    person, keep = post.world.inspector, settings.current().message_days
    old = [await _of_age(post, person, keep + n) for n in (1, 2, 3, 4, 5)]
    young = await _of_age(post, person, keep - 1)
    phone = {str(id) for id in (*old, young)}
    changes, cursor = await pull(person, kinds="message")
    assert phone <= {c["id"] for c in changes}
    async with post.db.begin(Worker("test")) as tx:
        await jobs.enqueue(tx, service.EXPIRE_JOB, key="hourly")
    await post.world.work()
    changes, _ = await pull(person, cursor, kinds="message")
    assert {c["id"] for c in changes if c.get("gone")} == {str(id) for id in old}
    async with post.db.read() as tx:
        both = [*old, young]
        left = await tx.values("select id from message where id = any($1)", both)
        pushed = await tx.values("select message from pushed where message = any($1)", both)
        told = await tx.values("select name from event where record = $1 order by id", old[0])
    assert (left, pushed) == ([young], [young])
    assert told == ["message.sent", "message.expired"], "the audit trail keeps what happened"
    async with post.db.begin() as tx:
        await tx.run("delete from pushed where message = $1", young)
        await tx.run("delete from message where id = $1", young)
