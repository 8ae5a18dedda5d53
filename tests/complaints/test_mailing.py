"""Letters to who left an address, through a real SMTP client; nobody else learns the address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from api import events, ids, settings
from api.complaints import queries
from api.permissions import EVERYTHING, Worker
from tests.complaints.conftest import tell
from tests.complaints.post import Post
from tests.world import World


@pytest_asyncio.fixture
async def post(conf: settings.Settings) -> AsyncIterator[Post]:
    box = Post()
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings.use(
        msgspec.structs.replace(
            conf, mail_server=f"smtp://127.0.0.1:{port}", mail_from="no-reply@example.invalid"
        )
    )
    yield box
    settings.use(conf)
    server.close()


async def happen(world: World, complaint: UUID, name: str = "complaint.accepted") -> None:
    """The event as the verb of an officer records it, and what comes of it."""
    async with world.db.begin(Worker("test")) as tx:
        await events.record(tx, name, "complaint", complaint)
    await world.work()


async def told(world: World, **contact: Any) -> tuple[UUID, str]:
    id = ids.new()
    answer = await tell(world.nobody, id, contact=contact)
    assert answer.status_code == 200, answer.text
    return id, answer.json()["number"]


async def test_a_letter_says_that_there_is_news_and_nothing_of_the_matter(
    world: World, post: Post
) -> None:
    id, number = await told(world, email="Neighbour@example.invalid", name="ตัวอย่าง")
    await happen(world, id)
    (letter,) = post.letters
    assert letter["To"] == "Neighbour@example.invalid"
    body = letter.get_content()
    assert number in body and "/track" in body
    async with world.db.read() as tx:
        (row,) = await queries.complaints(tx, [id], EVERYTHING)
        opened = await tx.values(
            "select facts::text from event where name = 'complainant.unsealed' order by id desc"
        )
        everywhere = await tx.values(
            "select to_jsonb(x)::text from event x union all select to_jsonb(y)::text from job y"
        )
    assert row.description not in body and "odour" not in body
    assert "complaint.letter" in opened[0]
    assert not [text for text in everywhere if "example.invalid" in text]


async def test_one_event_is_one_letter_and_the_next_is_another(world: World, post: Post) -> None:
    id, _ = await told(world, email="neighbour@example.invalid")
    await happen(world, id)
    await world.work()
    await happen(world, id, "complaint.asked")
    first, second = post.letters
    assert first["Message-ID"] != second["Message-ID"]


async def test_who_left_a_telephone_number_only_gets_no_letter(world: World, post: Post) -> None:
    id, _ = await told(world, phone="02-000-0001")
    await happen(world, id)
    assert post.letters == []


@pytest.mark.parametrize(
    "address",
    [
        "one@example.invalid, two@example.invalid",
        "one@example.invalid\r\nBcc: two@example.invalid",
        "<one@example.invalid>",
        "no address at all",
    ],
)
async def test_nobody_writes_to_others_through_us(world: World, post: Post, address: str) -> None:
    id, _ = await told(world, email=address)
    await happen(world, id)
    assert post.letters == []


async def test_a_server_that_refuses_for_good_is_not_asked_again_and_its_reason_holds_no_address(
    world: World, post: Post
) -> None:
    id, _ = await told(world, email="neighbour@example.invalid")
    post.answer = b"550 no such user neighbour@example.invalid\r\n"
    await happen(world, id)
    async with world.db.read() as tx:
        failed = await tx.values(
            "select to_jsonb(j)::text from job j where name = 'complaint.mail' order by id desc"
        )
    assert "refused by the mail server: 550" in failed[0] and "neighbour" not in failed[0]


async def test_without_a_mail_server_nothing_waits_for_one(world: World) -> None:
    id, _ = await told(world, email="neighbour@example.invalid")
    async with world.db.begin(Worker("test")) as tx:
        await events.record(tx, "complaint.accepted", "complaint", id)
        before = await tx.value("select count(*) from job where name = 'complaint.mail'")
    await world.work()
    async with world.db.read() as tx:
        assert await tx.value("select count(*) from job where name = 'complaint.mail'") == before
