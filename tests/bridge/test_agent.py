"""An intent is served by the card that is put in for it, and by no other."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reader_bridge import attending
from reader_bridge.card.reading import read_text
from reader_bridge.chain.journal import Journal, TicketGone
from reader_bridge.chain.store import NotWritten
from reader_bridge.device.keys import Device
from reader_bridge.fields import Fault, Field
from reader_bridge.messages import Arm, Cancel, Photographed, Progress, Tickets
from tests.bridge.agents import A, B, arm, maps, seat
from tests.bridge.papers import ticket
from tests.pcsc.faults import after, pull, slow
from tests.pcsc.people import person
from tests.pcsc.virtual_card import VirtualCard


async def test_a_fresh_card_becomes_one_statement_with_the_fields_asked_for(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        asked = arm()
        pc.agent.heard(asked)
        assert pc.steps(asked) == [("waiting", None)]
        pc.port.insert(A, VirtualCard(person(3)))
        await pc.stated()
        (said,) = pc.statements()
        assert (said.intent, said.nonce, said.reader) == (asked.intent, asked.nonce, A)
        assert said.inserted_at <= said.read_at and said.waited_ms < 5000
        card = VirtualCard(person(3))
        assert (said.atr, said.chip_serial) == (card.atr, card.chip)
        text = pc.read()
        assert (text.cid, text.birth, text.address) == (person(3).cid, None, None)


async def test_a_card_left_from_the_last_citizen_is_not_read_until_it_is_put_in_again(
    tmp_path: Path,
) -> None:
    async with seat(tmp_path) as pc:
        card = pc.port.insert(A, VirtualCard(person(1)))
        await asyncio.sleep(0.1)
        asked = arm()
        pc.agent.heard(asked)
        await pc.step(asked, "take_card_out", Fault.card_left)
        assert not card.seen
        pc.port.remove(A)
        await pc.step(asked, "waiting", Fault.card_left)
        pc.port.insert(A, VirtualCard(person(2)))
        await pc.stated()
        assert pc.read().cid == person(2).cid


async def test_a_card_that_came_just_before_the_intent_is_not_read(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        asked = arm()
        card = pc.port.insert(A, VirtualCard(person(1)))
        time.sleep(0.1)  # the watcher has seen it, and this loop has not heard of it yet
        pc.agent.heard(asked)
        await pc.step(asked, "take_card_out", Fault.card_left)
        await asyncio.sleep(0.1)
        assert not card.seen and pc.journal.count() == 0


async def test_a_card_pulled_out_may_be_put_in_again_within_one_intent(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        asked = arm()
        pc.agent.heard(asked)
        pc.port.insert(A, VirtualCard(person(1), after(5, pull())))
        await pc.step(asked, "waiting", Fault.card_removed)
        assert pc.journal.count() == 0
        pc.port.insert(A, VirtualCard(person(1)))
        await pc.stated()
        assert pc.read().cid == person(1).cid


@pytest.mark.parametrize("command", [1, 4, 6])
async def test_a_card_swapped_in_mid_reading_is_read_from_its_beginning_and_alone(
    tmp_path: Path, command: int
) -> None:
    async with seat(tmp_path) as pc:
        asked, second = arm(), VirtualCard(person(2))
        pc.agent.heard(asked)
        pc.port.insert(A, VirtualCard(person(1), after(command, pull(then=second))))
        await pc.stated()
        text, second_name = pc.read(), str(person(2).name_th).split("#")[1]
        assert text.name_th is not None
        assert (text.cid, text.name_th.first) == (person(2).cid, second_name)


async def test_a_card_in_the_other_reader_serves_nobody(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        asked = arm(A)
        pc.agent.heard(asked)
        other = pc.port.insert(B, VirtualCard(person(1)))
        await asyncio.sleep(0.2)
        assert not other.seen and pc.journal.count() == 0


async def test_two_readers_serve_two_officers_at_once_each_their_own(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        first, second = arm(A), arm(B)
        pc.agent.heard(first)
        pc.agent.heard(second)
        pc.port.insert(B, VirtualCard(person(2)))
        pc.port.insert(A, VirtualCard(person(1)))
        await pc.stated(2)
        got = {said.intent: (said.reader, pc.read(n).cid) for n, said in enumerate(pc.statements())}
        assert got[first.intent] == (A, person(1).cid)
        assert got[second.intent] == (B, person(2).cid)
        assert [said.sequence for said in pc.statements()] == [1, 2]


@pytest.mark.parametrize(
    "too_much",
    [
        {"fields": (Field.cid, Field.name_th, Field.birth)},
        {"purpose": "confirm_officer", "fields": (Field.address,)},
        {"purpose": "something_new"},
        {"purpose": "map_desk", "fields": (Field.cid,), "reader": None},
        {"purpose": "map_desk", "fields": (), "reader": None, "photo": True},
    ],
)
async def test_a_server_that_asks_for_more_than_the_purpose_may_read_gets_nothing(
    tmp_path: Path, too_much: dict[str, Any]
) -> None:
    async with seat(tmp_path) as pc:
        asked = arm(**too_much)
        pc.agent.heard(asked)
        assert pc.steps(asked) == [("armed", Fault.asked_too_much)]
        card = pc.port.insert(A, VirtualCard(person(1)))
        await asyncio.sleep(0.3)
        assert not card.seen and pc.journal.count() == 0
        good, bad = ticket(), ticket(fields=(Field.cid, Field.laser_no))
        pc.agent.heard(Tickets((good, bad)))
        assert [t.id for t in pc.journal.tickets(datetime.now(UTC))] == [good.id]


async def test_a_cancelled_intent_reads_no_card(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        asked = arm()
        pc.agent.heard(asked)
        pc.agent.heard(Cancel(asked.intent))
        card = pc.port.insert(A, VirtualCard(person(1)))
        await asyncio.sleep(0.2)
        assert not card.seen and pc.journal.count() == 0


async def test_cancelled_while_the_card_is_read_nothing_is_stated(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        asked = arm()
        pc.agent.heard(asked)
        card = pc.port.insert(A, VirtualCard(person(1), slow(100)))
        await pc.until(lambda: len(card.seen) > 2)
        pc.agent.heard(Cancel(asked.intent))
        await pc.until(lambda: not pc.agent.busy)
        assert pc.journal.count() == 0


async def test_an_intent_that_runs_out_while_the_card_is_read_states_nothing(
    tmp_path: Path,
) -> None:
    async with seat(tmp_path) as pc:
        asked = arm(expires_in_s=0.3)
        pc.agent.heard(asked)
        card = pc.port.insert(A, VirtualCard(person(1), slow(100)))
        await pc.until(lambda: not pc.agent.busy)
        assert card.seen and pc.journal.count() == 0


@pytest.mark.parametrize("how", ["cancelled", "run out"])
async def test_a_reading_that_ends_just_after_its_intent_states_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    async with seat(tmp_path) as pc:
        asked = arm(expires_in_s=0.5 if how == "run out" else 30.0)
        pc.agent.heard(asked)

        def late(*given: Any, cancelled: Any) -> Any:
            """Whole, and over before anybody could have stopped it."""
            text = read_text(*given)
            time.sleep(0.5)
            if how == "cancelled":
                pc.agent._armed[asked.intent].cancelled.set()
            return text

        monkeypatch.setattr(attending, "read_text", late)
        pc.port.insert(A, VirtualCard(person(1)))
        await pc.until(lambda: not pc.agent.busy)
        assert pc.journal.count() == 0


async def test_of_two_intents_for_one_reader_the_newer_counts(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        older, newer = arm(A), arm(A)
        pc.agent.heard(older)  # its cancelling was lost with the line
        pc.agent.heard(newer)
        pc.port.insert(A, VirtualCard(person(1)))
        await pc.stated()
        await asyncio.sleep(0.2)
        assert [said.intent for said in pc.statements()] == [newer.intent]


async def test_an_intent_told_again_after_the_line_was_away_goes_on_where_it_was(
    tmp_path: Path,
) -> None:
    async with seat(tmp_path) as pc:
        pc.port.insert(A, VirtualCard(person(1)))
        await asyncio.sleep(0.1)
        asked = arm()
        pc.agent.heard(asked)
        pc.said.clear()
        pc.agent.heard(asked)
        assert pc.steps(asked) == [("take_card_out", Fault.card_left)]
        pc.port.remove(A)
        pc.port.insert(A, VirtualCard(person(2)))
        await pc.stated()
        pc.said.clear()
        pc.agent.heard(asked)
        assert pc.steps(asked) == [("sending", None)]
        assert pc.journal.count() == 1


async def test_an_intent_told_under_another_nonce_is_not_answered_with_the_first(
    tmp_path: Path,
) -> None:
    async with seat(tmp_path) as pc:
        first = arm()
        second = arm(intent=first.intent)
        pc.agent.heard(first)
        pc.agent.heard(second)
        pc.port.insert(A, VirtualCard(person(1)))
        await pc.stated()
        await asyncio.sleep(0.1)
        assert [said.nonce for said in pc.statements()] == [second.nonce]


async def test_a_mapping_is_shown_by_a_card_that_is_put_in_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "ALONE_FOR", 0.2)
    async with seat(tmp_path) as pc:
        asked = maps()
        pc.agent.heard(asked)
        card = pc.port.insert(B, VirtualCard(person(1)))
        await pc.stated()
        (said,) = pc.statements()
        assert said.reader == B and not said.payload_sha256 and not said.chip_serial
        assert not card.seen  # nothing was read


@pytest.mark.parametrize("apart", [0.0, 0.15])
async def test_two_cards_at_once_show_no_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: float
) -> None:
    monkeypatch.setattr(attending, "ALONE_FOR", 0.2)
    async with seat(tmp_path) as pc:
        asked = maps()
        pc.agent.heard(asked)
        pc.port.insert(A, VirtualCard(person(1)))
        await asyncio.sleep(apart)
        pc.port.insert(B, VirtualCard(person(2)))
        await pc.until(lambda: pc.steps(asked)[-1][1] == Fault.two_cards)
        await asyncio.sleep(0.3)
        assert pc.journal.count() == 0
        pc.port.remove(A)
        pc.port.remove(B)
        await asyncio.sleep(0.3)
        pc.port.insert(B, VirtualCard(person(1)))
        await pc.stated()
        assert pc.statements()[0].reader == B


async def test_a_citizens_card_at_a_busy_desk_shows_no_mapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "ALONE_FOR", 0.1)
    async with seat(tmp_path) as pc:
        mapping, asked = maps(), arm(A)
        pc.agent.heard(mapping)
        pc.agent.heard(asked)
        pc.port.insert(A, VirtualCard(person(1)))
        await pc.stated()
        await asyncio.sleep(0.3)
        assert [said.intent for said in pc.statements()] == [asked.intent]


async def test_a_photograph_follows_its_receipt_and_never_a_refusal(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        asked = arm(photo=True)
        pc.agent.heard(asked)
        pc.port.insert(A, VirtualCard(person(1)))
        await pc.stated()
        await asyncio.sleep(0.3)
        assert not [m for m in pc.said if isinstance(m, Photographed)]
        pc.receipt()
        await pc.until(lambda: [m for m in pc.said if isinstance(m, Photographed)])
        pc.said.clear()
        refused = arm(B, photo=True)
        pc.agent.heard(refused)
        card = pc.port.insert(B, VirtualCard(person(2), slow(20)))
        await pc.stated(2)
        pc.receipt(reading=None, refused="readers/session-over")
        await pc.until(lambda: not pc.agent.busy)
        assert not [m for m in pc.said if isinstance(m, Photographed)]
        assert len(card.seen) < 40  # the rest of the photograph was left on the card


async def test_a_reading_that_cannot_be_kept_is_told_and_the_desk_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with seat(tmp_path) as pc:
        asked = arm()
        pc.agent.heard(asked)

        def full(*_: object) -> None:
            raise NotWritten("full")

        with monkeypatch.context() as disk:
            disk.setattr(Journal, "state", full)
            pc.port.insert(A, VirtualCard(person(1)))
            await pc.step(asked, "take_card_out", Fault.failed)
        pc.port.remove(A)
        pc.port.insert(A, VirtualCard(person(1)))
        await pc.stated()


async def test_the_service_of_readers_may_go_and_come_within_one_intent(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        asked = arm()
        pc.agent.heard(asked)
        pc.port.service(False)
        await pc.until(lambda: pc.readers()[-1:] == [[]])
        pc.port.service(True)
        await pc.until(lambda: pc.readers()[-1:] == [[A, B]])
        await asyncio.sleep(0.1)
        pc.port.insert(A, VirtualCard(person(1)))
        await pc.stated()


async def test_what_is_over_is_not_kept(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        for number in range(1, 6):
            asked = arm()
            pc.agent.heard(asked)
            pc.port.insert(A, VirtualCard(person(number)))
            await pc.stated(number)
            pc.port.remove(A)
            await pc.until(lambda: not pc.agent.busy)
        assert len(pc.agent._armed) <= 2


async def test_it_stops_at_once_while_a_photograph_waits_for_its_receipt(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        pc.agent.heard(arm(photo=True, expires_in_s=90.0))
        pc.port.insert(A, VirtualCard(person(1)))
        await pc.stated()
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await pc.agent.close()
        assert time.monotonic() - began < 1


async def test_another_program_at_the_reader_is_told_and_costs_no_more_than_an_insertion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "read_text", partial(read_text, within=0.2))
    async with seat(tmp_path) as pc:
        asked = arm()
        pc.agent.heard(asked)
        with pc.port.slots[A].held:
            card = pc.port.insert(A, VirtualCard(person(1)))
            await pc.step(asked, "take_card_out", Fault.reader_busy)
        await asyncio.sleep(0.1)
        assert not card.seen and pc.journal.count() == 0
        pc.port.remove(A)
        await pc.step(asked, "waiting", Fault.reader_busy)
        pc.port.insert(A, VirtualCard(person(1)))
        await pc.stated()
        assert pc.read().cid == person(1).cid


@pytest.mark.parametrize("asked", [arm(), maps()], ids=["a card", "a desk"])
async def test_a_pc_that_does_not_know_its_server_by_a_key_reads_no_card_and_says_what_to_do(
    tmp_path: Path, asked: Arm
) -> None:
    async with seat(tmp_path) as pc:
        pc.agent.stating.pin = None
        pc.agent.heard(asked)
        card = VirtualCard(person(1))
        pc.port.insert(A, card)
        await asyncio.sleep(0.3)
        assert pc.steps(asked) == [("armed", Fault.server_not_pinned)]
        assert not card.seen and pc.journal.end()[0] == 0


async def test_a_ticket_is_used_up_by_its_statement(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        mine, stays = ticket(), ticket()
        pc.agent.heard(Tickets((mine, stays)))
        card = VirtualCard(person(1))
        pc.port.insert(A, card)
        await asyncio.sleep(0.1)
        lies = pc.agent._watcher and pc.agent._watcher.present(A)
        assert lies is not None and pc.agent._cards is not None
        text = read_text(pc.agent._cards, lies, mine.fields)
        pc.agent.stating.device = Device(pc.agent.stating.device.private, "os-key-store")

        def state() -> int:
            return pc.agent.stating.state(
                lies, text, nonce=mine.nonce, purpose=mine.purpose, waited=1.0, ticket=mine
            )

        state()
        assert pc.journal.tickets(datetime.now(UTC)) == [stays]
        (said,) = pc.statements()
        assert (said.ticket, said.intent, said.nonce) == (mine.id, None, mine.nonce)
        assert said.key_protection == "os-key-store"
        with pytest.raises(TicketGone):
            state()


async def test_tickets_are_kept_and_progress_carries_nothing_of_the_card(tmp_path: Path) -> None:
    async with seat(tmp_path) as pc:
        pc.agent.heard(Tickets(()))
        asked = arm()
        pc.agent.heard(asked)
        pc.port.insert(A, VirtualCard(person(1)))
        await pc.stated()
        said = [m for m in pc.said if isinstance(m, Progress)]
        assert said and person(1).cid not in repr(said)
