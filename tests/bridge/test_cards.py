"""One reading at a time on each reader, none longer than its limit."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import pytest

from reader_bridge.card.reading import TextReading
from reader_bridge.fields import Fault, Field
from reader_bridge.pcsc import cards
from reader_bridge.pcsc.ports import CardFault
from tests.bridge.desk import ONE, READER, Desk
from tests.bridge.scripted import until
from tests.pcsc.faults import slow
from tests.pcsc.virtual_card import VirtualCard


@pytest.fixture(name="desk")
def one_desk() -> Iterator[Desk]:
    made = Desk(VirtualCard(ONE))
    yield made
    made.close()


def test_a_reading_does_not_wait_for_another_program_beyond_its_limit(desk: Desk) -> None:
    began = time.monotonic()
    with desk.readers.slots[READER].held, pytest.raises(CardFault) as raised:
        desk.read(within=0.1)
    assert raised.value.fault is Fault.reader_busy
    assert time.monotonic() - began < 1


def test_a_reader_whose_reading_was_given_up_is_busy_until_that_has_ended_and_then_reads(
    desk: Desk,
) -> None:
    with desk.readers.slots[READER].held:
        for _ in range(2):
            with pytest.raises(CardFault) as raised:
                desk.read(within=0.1)
            assert raised.value.fault is Fault.reader_busy
        assert desk.cards.busy(READER)
    until(lambda: not desk.cards.busy(READER))
    assert desk.card.seen == [], "the reading that nobody waits for any more went on"
    assert desk.read().text.cid == ONE.cid


def test_a_card_that_never_answers_is_given_up_in_time(desk: Desk) -> None:
    answer = threading.Event()

    def hang(sent: int) -> None:
        answer.wait(10)

    desk.readers.before = hang
    with pytest.raises(CardFault) as raised:
        desk.read(within=0.1)
    assert raised.value.fault is Fault.timed_out
    assert desk.cards.busy(READER)
    answer.set()
    until(lambda: not desk.cards.busy(READER))
    assert len(desk.card.seen) == 1


def test_a_slow_card_is_over_at_the_limit_and_hears_nothing_after(desk: Desk) -> None:
    desk.card.faults.append(slow(30))
    with pytest.raises(CardFault) as raised:
        desk.read(within=0.1)
    assert raised.value.fault is Fault.timed_out
    until(lambda: not desk.cards.busy(READER))
    heard = len(desk.card.seen)
    assert heard <= 6
    time.sleep(0.1)
    assert len(desk.card.seen) == heard


def test_two_readings_at_once_on_one_reader_are_not_mixed_but_refused(desk: Desk) -> None:
    started, answer = threading.Event(), threading.Event()

    def wait(sent: int) -> None:
        started.set()
        answer.wait(10)

    desk.readers.before = wait
    got: list[object] = []
    first = threading.Thread(target=lambda: got.append(desk.read().text.cid))
    first.start()
    started.wait(5)
    with pytest.raises(CardFault) as raised:
        desk.read()
    assert raised.value.fault is Fault.reader_busy
    answer.set()
    first.join(5)
    assert got == [ONE.cid]


def test_a_reading_that_waits_for_another_program_can_be_cancelled(desk: Desk) -> None:
    began = time.monotonic()
    with desk.readers.slots[READER].held, pytest.raises(CardFault) as raised:
        desk.read(cancelled=lambda: time.monotonic() - began > 0.1)
    assert raised.value.fault is Fault.cancelled
    assert time.monotonic() - began < 1


def test_a_hundred_readings_take_one_thread_a_reader_and_none_after_the_end(desk: Desk) -> None:
    def threads() -> set[threading.Thread]:
        return {one for one in threading.enumerate() if one.name == f"cards in {READER}"}

    before = threads()
    for _ in range(100):
        desk.read({Field.cid})
    (mine,) = threads() - before
    desk.close()
    until(lambda: not mine.is_alive())


def test_nothing_of_a_card_stays_with_the_thread_that_read_it(desk: Desk) -> None:
    desk.read()
    with pytest.raises(CardFault):
        desk.read(cancelled=lambda: True)
    until(lambda: not desk.cards.busy(READER))

    def held() -> list[object]:
        gc.collect()
        return [one for one in gc.get_objects() if isinstance(one, TextReading | cards._Job)]

    until(lambda: not held())


def test_a_pc_that_is_out_of_threads_says_so_and_reads_when_it_has_one_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", none_left)
        for _ in range(2):
            with pytest.raises(CardFault) as raised:
                desk.read()
            assert raised.value.fault is Fault.failed
    assert desk.read().text.cid == ONE.cid


def test_a_reader_that_left_with_the_last_answer_gives_no_reading(desk: Desk) -> None:
    def leave(transaction: object, stopped: object) -> str:
        desk.readers.unplug(READER)
        return "read"

    assert desk.inserted is not None
    with pytest.raises(CardFault) as raised:
        desk.cards.use(desk.inserted, leave, within=5, cancelled=lambda: False)
    assert raised.value.fault is Fault.reader_gone


def test_a_reader_that_is_gone_and_a_card_that_is_gone_are_told_apart(desk: Desk) -> None:
    desk.readers.unplug(READER)
    with pytest.raises(CardFault) as raised:
        desk.read()
    assert raised.value.fault is Fault.reader_gone
    desk.readers.plug(READER)
    with pytest.raises(CardFault) as raised:
        desk.read()
    assert raised.value.fault is Fault.card_removed


@pytest.mark.parametrize("lost", [False, True])
def test_a_card_pulled_out_in_mid_word_is_not_told_to_be_silent(desk: Desk, lost: bool) -> None:
    """PC/SC says only that there was no answer; that the card is gone it notices later."""

    def pull(sent: int) -> None:
        if sent == 3:
            threading.Timer(0.2, notice).start()
            raise CardFault(Fault.card_silent, "scripted")

    def notice() -> None:
        desk.service_up = not lost
        desk.take()

    desk.readers.before = pull
    with pytest.raises(CardFault) as raised:
        desk.read()
    assert raised.value.fault is (Fault.service_gone if lost else Fault.card_removed)


def test_a_card_that_lies_there_and_is_silent_is_told_so_soon_and_can_be_cancelled(
    desk: Desk,
) -> None:
    def silent(sent: int) -> None:
        raise CardFault(Fault.card_silent, "scripted")

    desk.readers.before = silent
    began = time.monotonic()
    with pytest.raises(CardFault) as raised:
        desk.read()
    assert raised.value.fault is Fault.card_silent and time.monotonic() - began < 2
    began = time.monotonic()
    with pytest.raises(CardFault) as raised:
        desk.read(cancelled=lambda: time.monotonic() - began > 0.1)
    assert raised.value.fault is Fault.cancelled and time.monotonic() - began < 0.5


def test_a_reading_of_a_lost_service_says_so_and_not_that_the_card_was_taken(desk: Desk) -> None:
    asked = desk.inserted
    desk.readers.before = lambda sent: setattr(desk, "inserted", None) if sent == 3 else None
    desk.service_up = False
    with pytest.raises(CardFault) as raised:
        desk.read()
    assert asked is not None and raised.value.fault is Fault.service_gone


def test_a_program_that_ends_in_mid_reading_lets_go_of_the_card_first(desk: Desk) -> None:
    """Else PC/SC finds its caller dead, and resets the card."""
    desk.readers.before = lambda number: time.sleep(0.3)  # as slow as a photograph's commands
    over: list[BaseException] = []

    def read() -> None:
        try:
            desk.read()
        except CardFault as fault:
            over.append(fault)

    reading = threading.Thread(target=read)
    reading.start()
    until(lambda: desk.readers.open_transactions == 1)
    began = time.monotonic()
    desk.cards.close()
    assert desk.readers.open_transactions == 0
    assert time.monotonic() - began < 1 and len(desk.card.seen) < 5
    reading.join()
    assert over


def test_a_card_that_is_never_let_go_keeps_no_program_from_ending(desk: Desk) -> None:
    answer = threading.Event()
    desk.readers.before = lambda number: answer.wait(10) and None
    with pytest.raises(CardFault):
        desk.read(within=0.1)
    began = time.monotonic()
    desk.cards.close(within=0.2)
    assert time.monotonic() - began < 1
    answer.set()
