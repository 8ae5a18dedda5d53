"""Push through the real firebase-admin, against a server that gives every answer FCM can give."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from pathlib import Path

import pytest

from api import clock, worker
from api.notify import firebase, texts
from api.notify.firebase import Answer, Outcome, Push
from api.notify.service import PUSH_JOB
from api.settings import Settings
from tests.notify.conftest import LATER, Post


async def test_a_message_is_pushed_to_every_device_in_its_language_and_names_no_one(
    post: Post,
) -> None:
    phone = await post.device("ok-phone", language="th")
    await post.device("ok-tablet", language="en")
    message = await post.send(phone, factory="โรงงานของนายตัวอย่าง")
    await post.work(PUSH_JOB)
    by_token = {m["token"]: m for m in post.fcm.accepted}
    assert set(by_token) == {"ok-phone", "ok-tablet"}
    thai, english = by_token["ok-phone"], by_token["ok-tablet"]
    assert thai["notification"]["title"] == "มีผลตรวจรอพิจารณา"
    assert english["notification"]["title"] == "A visit awaits your review"
    assert "นายตัวอย่าง" not in str(post.fcm.accepted), "the facts stay in the inbox"
    for pushed in (thai, english):
        assert pushed["data"]["message"] == str(message)
        assert pushed["android"]["notification"]["tag"] == str(message)
        assert pushed["apns"]["headers"]["apns-collapse-id"] == str(message)
        assert pushed["webpush"]["notification"]["tag"] == str(message)
    assert post.fcm.tokens_issued >= 1
    assert await post.left() == []


@pytest.mark.parametrize("token", ["gone-1", "alien-1", "broken-1", "blamed-1"])
async def test_a_dead_token_is_removed_and_holds_up_no_other(post: Post, token: str) -> None:
    await post.device(token)
    phone = await post.device("ok-1")
    await post.send(phone)
    await post.work(PUSH_JOB)
    assert post.fcm.told("ok-1") == 1
    assert await post.tokens() == {"ok-1"}
    assert await post.left() == []


async def test_a_push_that_is_refused_costs_no_device_and_is_not_tried_again(post: Post) -> None:
    await post.device("toobig-1")
    phone = await post.device("ok-1")
    await post.send(phone)
    await post.work(PUSH_JOB)
    assert post.fcm.told("ok-1") == 1
    assert await post.tokens() == {"ok-1", "toobig-1"}
    assert await post.left() == []
    async with post.db.read() as tx:
        found = await tx.values("select refused from pushed where refused is not null")
    assert "InvalidArgumentError" in found


@pytest.mark.parametrize(
    "token", ["down-1", "busy-1", "proxy-1", "sleep-1", "nobody-1", "noproject-1"]
)
async def test_what_may_pass_is_tried_again_and_only_there(post: Post, token: str) -> None:
    post.fcm.sleep_s = 1.2
    await post.device(token)
    phone = await post.device("ok-1")
    await post.send(phone)
    await post.work(PUSH_JOB)
    (line,) = await post.left()
    assert (line.error, line.attempts, line.failed_at) == ("NotPushed", 1, None)
    assert line.due_at > clock.now()
    post.fcm.healed.add(token)
    with clock.travel(LATER):
        await post.work(PUSH_JOB)
    assert (post.fcm.told(token), post.fcm.told("ok-1")) == (1, 1)
    assert await post.left() == []
    assert await post.tokens() == {"ok-1", token}


async def test_an_answer_that_is_lost_pushes_once_more_under_the_same_tag(post: Post) -> None:
    """FCM took it and the line was cut: a second push of the tag takes the place of the first."""
    phone = await post.device("cut-1")
    message = await post.send(phone)
    await post.work(PUSH_JOB)
    (line,) = await post.left()
    assert (line.error, post.fcm.told("cut-1")) == ("NotPushed", 1)
    post.fcm.healed.add("cut-1")
    with clock.travel(LATER):
        await post.work(PUSH_JOB)
    tags = [m["android"]["notification"]["tag"] for m in post.fcm.accepted]
    assert tags == [str(message)] * 2
    assert await post.left() == []


async def test_too_many_without_a_time_waits_a_minute(post: Post) -> None:
    phone = await post.device("quota-1")
    await post.send(phone)
    await post.work(PUSH_JOB)
    (line,) = await post.left()
    assert timedelta(seconds=58) < line.due_at - clock.now() <= timedelta(seconds=91)
    assert await post.tokens() == {"quota-1"}


async def test_too_many_waits_as_long_as_it_is_told(post: Post) -> None:
    post.fcm.headers["Retry-After"] = "1200"
    phone = await post.device("quota-1")
    await post.send(phone)
    await post.work(PUSH_JOB)
    (line,) = await post.left()
    wait = line.due_at - clock.now()
    assert timedelta(seconds=1190) < wait <= timedelta(seconds=1801)
    assert line.attempts == 0, "being told to wait is no failure"
    post.fcm.healed.add("quota-1")
    with clock.travel(timedelta(seconds=1802)):
        await post.work(PUSH_JOB)
    assert post.fcm.told("quota-1") == 1


async def test_credentials_that_are_refused_push_nothing_and_lose_nothing(post: Post) -> None:
    """`send_each` would answer UnknownError for the whole batch here."""
    post.fcm.token_answer = 500
    phone = await post.device("ok-1")
    await post.send(phone)
    await post.work(PUSH_JOB)
    assert post.fcm.requests == []
    (line,) = await post.left()
    assert line.error == "NotPushed"
    post.fcm.token_answer = 200
    with clock.travel(LATER):
        await post.work(PUSH_JOB)
    assert post.fcm.told("ok-1") == 1


async def test_pushing_does_not_hold_up_the_loop(post: Post) -> None:
    post.fcm.sleep_s = 0.4
    post.fcm.healed.add("nothing")
    phone = await post.device("sleep-1")
    await post.send(phone)
    longest, stopping = 0.0, asyncio.Event()

    async def tick() -> None:
        nonlocal longest
        while not stopping.is_set():
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            longest = max(longest, time.perf_counter() - before)

    ticking = asyncio.create_task(tick())
    await post.work(PUSH_JOB)
    stopping.set()
    await ticking
    assert post.fcm.told("sleep-1") == 1
    assert longest < 0.3, "the 0.4 s of the answer passed in a thread"


async def test_six_hundred_devices_are_two_batches_and_each_is_told_once(post: Post) -> None:
    phone = await post.device("ok-0")
    async with post.db.pool.acquire() as connection:
        session, account = await connection.fetchrow("select session, account from device")
        await connection.execute(
            """
            with s as (
                insert into session (id, account, client, device_name, created_at, last_seen_at)
                select gen_random_uuid(), $1, client, 'sample', now(), now()
                from session, generate_series(1, 599) where id = $2 returning id
            )
            insert into device (id, account, session, token, language, registered_at, refreshed_at)
            select gen_random_uuid(), $1, s.id, 'ok-' || row_number() over (), 'th', now(), now()
            from s
            """,
            account,
            session,
        )
    await post.send(phone)
    patient = firebase.Sender(post.fcm.credentials(), timeout_s=30)
    before = firebase.current()
    firebase.use(patient)
    try:
        await post.work(PUSH_JOB)
    finally:
        firebase.use(before)
        await asyncio.to_thread(patient.close)
    assert sorted(m["token"] for m in post.fcm.accepted) == sorted(f"ok-{n}" for n in range(600))


async def test_a_job_run_twice_pushes_once(post: Post) -> None:
    phone = await post.device("ok-1")
    message = await post.send(phone)
    await post.work(PUSH_JOB)
    async with post.db.begin() as tx:
        from api import jobs

        await jobs.enqueue(tx, PUSH_JOB, {"message": message})
    await post.work(PUSH_JOB)
    assert post.fcm.tried("ok-1") == 1


async def test_what_was_read_or_is_a_day_old_is_not_pushed(post: Post) -> None:
    phone = await post.device("ok-1")
    message = await post.send(phone)
    assert (await phone.post(f"/v1/messages/{message}/read")).status_code == 200
    await post.work(PUSH_JOB)
    await post.send(phone)
    with clock.travel(timedelta(hours=25)):
        await post.work(PUSH_JOB)
    assert post.fcm.requests == []
    assert await post.left() == []


async def test_without_credentials_the_inbox_works_and_the_start_says_so(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "superapp.worker"):
        assert worker.firebase_of(Settings()) is None
    assert [r.message for r in caplog.records if "push is off" in r.message]
    phone = await post.device("ok-1")
    before = firebase.current()
    firebase.use(None)
    try:
        message = await post.send(phone)
        await post.work(PUSH_JOB)
    finally:
        firebase.use(before)
    assert await post.left() == []
    assert post.fcm.requests == []
    assert str(message) in (await phone.get("/v1/messages")).text


def test_credentials_that_cannot_be_read_are_said_at_the_start(tmp_path: Path) -> None:
    broken = tmp_path / "firebase.json"
    broken.write_text('{"type": "service_account"}')
    for path in (broken, tmp_path / "none.json"):
        with pytest.raises(firebase.Unusable, match="Firebase credentials"):
            worker.firebase_of(Settings(firebase_credentials=str(path)))


def test_a_push_that_cannot_be_encoded_is_refused_not_raised() -> None:
    assert firebase.judge(ValueError("x")) == Answer(Outcome.refused, "ValueError")
    assert Push("t", "a", "b", "c", {}).data == {}


def test_both_languages_of_a_template_need_the_same_facts() -> None:
    for template in texts.templates():
        th, en = (texts.placeholders(template, language) for language in texts.Language)
        assert th == en, template
