"""The watcher: no sighting lost, none doubled, never a dead thread."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from reader_bridge.pcsc import watcher as module
from reader_bridge.pcsc.ports import Identity
from reader_bridge.pcsc.sightings import (
    Inserted,
    ReadersChanged,
    ReaderSeen,
    Removed,
    ServiceBack,
    ServiceLost,
    Sighting,
)
from reader_bridge.pcsc.watcher import Watcher
from tests.bridge.scripted import ScriptedReaders, until
from tests.pcsc.people import person
from tests.pcsc.virtual_card import ATRS, VirtualCard

A, B = "Sample Reader 00 00", "Sample Reader 01 00"
Start = Callable[..., "Seen"]


class Seen:
    """A watcher on scripted readers, and what it told."""

    def __init__(self, readers: ScriptedReaders, settled: float = 0.0) -> None:
        self.readers, self.told = readers, list[Sighting]()
        self.watcher = Watcher(readers, self.told.append, settled=settled)

    def of(self, kind: type) -> list[Any]:
        return [one for one in self.told if isinstance(one, kind)]

    def wait(self, kind: type, count: int = 1) -> Any:
        until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    def quiet(self) -> None:
        """Until the watcher has looked at everything that was done before."""
        self.watcher._wake()
        time.sleep(0.05)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr(module, "LONGEST", 0.2)
    made: list[Seen] = []

    def begin(*names: str, settled: float = 0.0, **cards: VirtualCard) -> Seen:
        readers = ScriptedReaders(*names)
        for name, card in cards.items():
            readers.insert({"a": A, "b": B}[name], card)
        made.append(Seen(readers, settled))
        made[-1].watcher.start()
        return made[-1]

    yield begin
    for one in made:
        assert one.watcher.alive, "the watcher's thread is dead"
        one.watcher.stop()
        assert not one.watcher.alive


def card(number: int = 1) -> VirtualCard:
    return VirtualCard(person(number))


def test_a_card_put_in_is_told_once_and_is_fresh(start: Start) -> None:
    seen = start(A)
    seen.wait(ReadersChanged)
    seen.quiet()
    put = seen.readers.insert(A, card())
    got = seen.wait(Inserted)
    assert (got.reader, got.atr, got.fresh, got.mute) == (A, put.atr, True, False)
    assert got.at.utcoffset() == timedelta(0)
    assert abs(got.monotonic - time.monotonic()) < 5
    assert seen.watcher.present(A) == got
    seen.quiet()
    assert len(seen.of(Inserted)) == 1


def test_a_card_that_lay_there_at_the_start_is_not_fresh_and_is_after_it_was_put_in_again(
    start: Start,
) -> None:
    seen = start(A, a=card())
    first = seen.wait(Inserted)
    assert not first.fresh
    seen.readers.remove(A)
    assert seen.wait(Removed) == Removed(A, first.insertion)
    assert seen.watcher.present(A) is None
    seen.readers.insert(A, card())
    again = seen.wait(Inserted, 2)
    assert again.fresh and again.insertion > first.insertion


def test_a_swap_between_two_looks_is_a_removal_and_a_fresh_insertion(start: Start) -> None:
    seen = start(A, a=card(1))
    first = seen.wait(Inserted)
    seen.readers.insert(A, card(2))  # never empty, as far as anyone could see
    second = seen.wait(Inserted, 2)
    assert seen.of(Removed) == [Removed(A, first.insertion)]
    assert second.insertion != first.insertion and second.fresh


def test_no_number_of_an_insertion_comes_twice_though_readers_and_service_begin_anew(
    start: Start,
) -> None:
    seen = start(A, B)
    seen.wait(ReadersChanged)
    choice = random.Random(7)
    for turn in range(60):
        name = choice.choice([A, B])
        what = choice.randrange(4)
        if what == 0:
            seen.readers.remove(name)
        elif what == 3 and turn % 5 == 0:
            lost = len(seen.of(ServiceLost))
            seen.readers.service(False)
            seen.wait(ServiceLost, lost + 1)
            seen.readers.service(True)
            until(lambda: seen.watcher.service_up)
        else:
            seen.readers.insert(name, card(turn))
        time.sleep(choice.choice([0, 0, 0.01]))
    until(lambda: seen.watcher.service_up)
    numbers = [one.insertion for one in seen.of(Inserted)]
    assert len(set(numbers)) == len(numbers) > 5
    open_now: dict[str, int] = {}
    for one in list(seen.told):
        if isinstance(one, Inserted):
            assert one.reader not in open_now, "a second insertion without a removal"
            open_now[one.reader] = one.insertion
        elif isinstance(one, Removed):
            assert open_now.pop(one.reader) == one.insertion


def test_a_service_that_was_killed_is_told_once_and_everything_in_it_is_gone(start: Start) -> None:
    seen = start(A, a=card())
    first = seen.wait(Inserted)
    seen.readers.service(False)
    seen.wait(ServiceLost)
    assert seen.told[-3:] == [Removed(A, first.insertion), ReadersChanged(()), ServiceLost()]
    assert (seen.watcher.present(A), seen.watcher.readers()) == (None, ())
    assert not seen.watcher.service_up
    time.sleep(0.3)
    assert len(seen.of(ServiceLost)) == 1


def test_the_same_card_after_a_restart_of_the_service_is_not_fresh(start: Start) -> None:
    seen = start(A, a=card())
    seen.wait(Inserted)
    for round_ in (1, 2, 3):
        seen.readers.service(False)
        seen.wait(ServiceLost, round_)
        seen.readers.service(True)
        seen.wait(ServiceBack, round_)
        again = seen.wait(Inserted, round_ + 1)
        assert not again.fresh
        kinds = [type(one) for one in seen.told]
        assert kinds[-3:] == [ServiceBack, ReadersChanged, Inserted]


def test_a_card_that_a_service_finds_a_moment_after_it_started_is_not_fresh(start: Start) -> None:
    seen = start(A, settled=0.3)
    seen.wait(ReadersChanged)
    seen.readers.insert(A, card())
    assert not seen.wait(Inserted).fresh
    time.sleep(0.35)
    seen.readers.remove(A)
    seen.wait(Removed)
    seen.readers.insert(A, card())
    assert seen.wait(Inserted, 2).fresh


def test_no_service_at_the_start_is_told_and_waited_for(start: Start) -> None:
    readers = ScriptedReaders(A)
    readers.running = False
    seen = Seen(readers)
    seen.watcher.start()
    seen.wait(ServiceLost)
    readers.service(True)
    assert seen.wait(ReadersChanged).readers == (ReaderSeen(A),)
    seen.watcher.stop()
    assert seen.told[:2] == [ServiceLost(), ServiceBack()]


def test_the_last_reader_unplugged_and_a_reader_plugged_in_again_are_seen(start: Start) -> None:
    seen = start(A, a=card())
    first = seen.wait(Inserted)
    seen.readers.unplug(A)
    seen.wait(Removed)
    until(lambda: seen.watcher.readers() == ())
    assert seen.of(Removed) == [Removed(A, first.insertion)]
    seen.readers.plug(B)
    until(lambda: seen.watcher.readers() == (ReaderSeen(B),))
    assert seen.of(ServiceLost) == []


def test_a_reader_that_left_and_came_again_between_two_looks_has_no_fresh_card(
    start: Start,
) -> None:
    seen = start(A, a=card(1))
    for _ in range(3):
        seen.readers.remove(A)
        seen.readers.insert(A, card(1))
    until(lambda: (lies := seen.watcher.present(A)) is not None and lies.count == 7)
    first = seen.watcher.present(A)
    with seen.readers._changed:
        seen.readers.unplug(A)
        seen.readers.plug(A, card(2))
    until(lambda: (lies := seen.watcher.present(A)) is not None and lies != first)
    second = seen.watcher.present(A)
    assert first and second and seen.of(Removed)[-1] == Removed(A, first.insertion)
    assert not second.fresh, "nobody saw it come: it may be the last citizen's"


def test_a_reader_that_left_and_came_again_is_announced_as_gone_for_it_may_be_another_one(
    start: Start,
) -> None:
    seen = start(A, B, a=card(1))
    seen.wait(Inserted)
    seen.readers.remove(A)
    seen.wait(Removed)
    with seen.readers._changed:
        seen.readers.unplug(A)
        seen.readers.plug(A)
    until(lambda: len(seen.of(ReadersChanged)) == 3)
    told = [one.readers for one in seen.of(ReadersChanged)]
    assert told == [(ReaderSeen(A), ReaderSeen(B)), (ReaderSeen(B),), told[0]]


@pytest.mark.parametrize("count", [0x7FFF, 0x8000, 0xFFFE])
def test_a_reader_that_has_seen_very_many_cards_is_watched_like_any_other(
    start: Start, count: int
) -> None:
    readers = ScriptedReaders(A)
    readers.slots[A].count = count
    seen = Seen(readers)
    seen.watcher.start()
    seen.wait(ReadersChanged)
    seen.quiet()
    readers.insert(A, card())
    assert seen.wait(Inserted).fresh
    readers.remove(A)
    seen.wait(Removed)
    readers.insert(A, card())
    assert seen.wait(Inserted, 2).fresh
    assert len(seen.of(ReadersChanged)) == 1
    seen.watcher.stop()


def test_two_readers_of_one_name_are_announced_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.bridge import scripted

    monkeypatch.setattr(scripted._States, "readers", lambda states: [A, A])
    assert start(A).wait(ReadersChanged).readers == (ReaderSeen(A),)


def test_a_card_that_came_with_its_reader_is_not_fresh(start: Start) -> None:
    seen = start(A)
    seen.wait(ReadersChanged)
    seen.quiet()
    seen.readers.plug(B, card())
    assert not seen.wait(Inserted).fresh


def test_readers_come_without_being_told_where_pc_sc_does_not_tell(start: Start) -> None:
    readers = ScriptedReaders(A)
    readers.plug_and_play = False
    seen = Seen(readers)
    seen.watcher.start()
    seen.wait(ReadersChanged)
    readers.plug(B)
    until(lambda: len(seen.watcher.readers()) == 2, 1.0)
    seen.watcher.stop()


def test_a_reader_is_announced_with_what_it_says_of_itself(start: Start) -> None:
    readers = ScriptedReaders(A, B)
    readers.identities[A] = Identity("SAMPLE-0001", "Sample Maker One")
    seen = Seen(readers)
    seen.watcher.start()
    assert seen.wait(ReadersChanged).readers == (
        ReaderSeen(A, "SAMPLE-0001", "Sample Maker One"),
        ReaderSeen(B),
    )
    seen.watcher.stop()


def test_a_reader_that_is_held_when_it_comes_is_never_announced_without_its_number(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the server would take it for another reader, and off its desk."""
    freed = threading.Event()
    numbers = {A: Identity("SAMPLE-0001", None), B: Identity("SAMPLE-0002", None)}

    def held(name: str) -> Identity:
        if name == A:
            freed.wait(10)
        return numbers[name]

    monkeypatch.setattr(module, "LOOK", 30.0)
    readers = ScriptedReaders(A, B)
    monkeypatch.setattr(readers, "identity", held)
    readers.insert(A, card())
    seen = Seen(readers)
    began = time.monotonic()
    seen.watcher.start()
    seen.wait(Inserted)
    assert time.monotonic() - began < 0.55, "nobody is delayed"
    assert seen.watcher.readers() == (ReaderSeen(B, "SAMPLE-0002"),)
    freed.set()
    both = (ReaderSeen(A, "SAMPLE-0001"), ReaderSeen(B, "SAMPLE-0002"))
    assert seen.wait(ReadersChanged, 2).readers == both
    assert [one.readers for one in seen.of(ReadersChanged)] == [both[1:], both]
    assert len(seen.of(Inserted)) == 1
    seen.watcher.stop()


def test_a_reader_that_another_program_has_for_itself_is_asked_again_until_it_can_say(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ASK_AGAIN", 0.02)
    answers: list[Identity | None] = [None] * 30 + [Identity("SAMPLE-0001", None)]
    readers = ScriptedReaders(A)
    monkeypatch.setattr(readers, "identity", lambda name: answers.pop(0))
    seen = Seen(readers)
    seen.watcher.start()
    assert seen.wait(ReadersChanged).readers == ()
    assert seen.wait(ReadersChanged, 2).readers == (ReaderSeen(A, "SAMPLE-0001"),)
    seen.watcher.stop()


def test_what_one_reader_said_late_is_not_taken_for_the_next_one_of_its_name(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed, asked = threading.Event(), list[str]()

    def held(name: str) -> Identity:
        asked.append(name)
        if len(asked) == 1:
            freed.wait(10)
            return Identity("SAMPLE-0001", None)
        return Identity("SAMPLE-0002", None)

    readers = ScriptedReaders(A)
    monkeypatch.setattr(readers, "identity", held)
    seen = Seen(readers)
    seen.watcher.start()
    seen.wait(ReadersChanged)
    readers.unplug(A)
    seen.quiet()
    readers.plug(A)
    until(lambda: seen.watcher.readers() == (ReaderSeen(A, "SAMPLE-0002"),))
    freed.set()
    time.sleep(0.1)
    seen.quiet()
    assert seen.watcher.readers() == (ReaderSeen(A, "SAMPLE-0002"),)
    seen.watcher.stop()


def test_no_thread_asks_a_reader_that_has_left_for_ever(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ASK_AGAIN", 0.02)
    readers = ScriptedReaders(A)
    monkeypatch.setattr(readers, "identity", lambda name: None)
    seen = Seen(readers)
    seen.watcher.start()
    asking = lambda: [t for t in threading.enumerate() if t.name == f"who is {A}"]  # noqa: E731
    until(asking)
    readers.unplug(A)
    until(lambda: not asking())
    seen.watcher.stop()


def test_a_reader_that_does_not_say_who_it_is_has_not_the_number_of_the_one_before_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = start(A)
    seen.wait(ReadersChanged)
    seen.readers.identities[B] = Identity("SAMPLE-0001", None)
    seen.readers.plug(B)
    assert seen.wait(ReadersChanged, 2).readers[1] == ReaderSeen(B, "SAMPLE-0001")
    seen.readers.unplug(B)
    assert seen.wait(ReadersChanged, 3).readers == (ReaderSeen(A),)

    def cannot(name: str) -> Identity:
        raise OSError("held by another program")

    monkeypatch.setattr(seen.readers, "identity", cannot)
    seen.readers.plug(B)
    assert seen.wait(ReadersChanged, 4).readers == (ReaderSeen(A), ReaderSeen(B))


def test_a_listener_that_fails_neither_ends_the_watching_nor_loses_what_follows(
    start: Start,
) -> None:
    readers, heard = ScriptedReaders(A), list[Sighting]()

    def listen(sighting: Sighting) -> None:
        heard.append(sighting)
        raise RuntimeError("a listener's own fault")

    watcher = Watcher(readers, listen, settled=0)
    watcher.start()
    until(lambda: heard)
    readers.insert(A, card())
    until(lambda: any(isinstance(one, Inserted) for one in heard))
    readers.remove(A)
    until(lambda: any(isinstance(one, Removed) for one in heard))
    assert watcher.alive
    watcher.stop()


@pytest.mark.parametrize("kind", [OSError, RuntimeError, KeyError])
def test_any_error_of_the_port_is_survived(
    start: Start, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    seen = start(A)
    seen.wait(ReadersChanged)
    real, broken = ScriptedReaders.open, [True]

    def stumble(port: ScriptedReaders) -> Any:
        if broken:
            raise kind("something nobody thought of")
        return real(port)

    monkeypatch.setattr(ScriptedReaders, "open", stumble)
    seen.readers.service(False)
    seen.wait(ServiceLost)
    seen.readers.service(True)
    time.sleep(0.2)
    assert seen.watcher.alive and not seen.watcher.service_up
    broken.clear()
    seen.wait(ServiceBack)


def test_a_mute_card_is_told_as_mute(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from reader_bridge.pcsc.ports import MUTE, PRESENT, ReaderState
    from tests.bridge import scripted

    seen = start(A)
    seen.wait(ReadersChanged)
    monkeypatch.setattr(
        scripted.Slot, "state", lambda slot: ReaderState(slot.count << 16 | PRESENT | MUTE)
    )
    seen.readers.insert(A, card())
    assert (got := seen.wait(Inserted)).mute and got.atr == b""


def test_stopping_is_quick_and_nothing_is_told_after(start: Start) -> None:
    readers = ScriptedReaders(A)
    seen = Seen(readers)
    seen.watcher.start()
    seen.wait(ReadersChanged)
    began = time.monotonic()
    seen.watcher.stop()
    assert time.monotonic() - began < 0.5
    told = len(seen.told)
    readers.insert(A, card())
    time.sleep(0.05)
    assert len(seen.told) == told


def test_another_card_is_seen_by_its_atr_where_pc_sc_does_not_count(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reader_bridge.pcsc.ports import PRESENT, ReaderState
    from tests.bridge import scripted

    monkeypatch.setattr(scripted.Slot, "state", lambda slot: ReaderState(PRESENT, slot.card.atr))
    seen = start(A, a=VirtualCard(person(1), atr=ATRS["3B68"]))
    first = seen.wait(Inserted)
    seen.readers.insert(A, VirtualCard(person(2), atr=ATRS["3B78"]))
    assert seen.wait(Inserted, 2).atr == ATRS["3B78"]
    assert seen.of(Removed) == [Removed(A, first.insertion)]


def test_a_reader_whose_state_nobody_can_tell_for_a_while_keeps_no_card_and_nobody_busy(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reader_bridge.pcsc.ports import UNAVAILABLE, ReaderState
    from tests.bridge import scripted

    seen = start(A, a=card())
    first = seen.wait(Inserted)
    plain, looks = scripted.Slot.state, [0]

    def state(slot: scripted.Slot) -> ReaderState:
        looks[0] += 1
        return ReaderState(UNAVAILABLE)

    monkeypatch.setattr(scripted.Slot, "state", state)
    seen.watcher._wake()
    assert seen.wait(Removed) == Removed(A, first.insertion)
    before = looks[0]
    time.sleep(0.3)
    assert looks[0] - before < 20, "the watcher runs round and round"
    monkeypatch.setattr(scripted.Slot, "state", plain)
    seen.watcher._wake()
    assert not seen.wait(Inserted, 2).fresh, "nobody saw it come"
    assert len(seen.of(ReadersChanged)) == 1


def test_a_reader_that_is_listed_and_yet_unknown_does_not_keep_the_watcher_running(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reader_bridge.pcsc.ports import UNKNOWN, ReaderState
    from tests.bridge import scripted

    looks = [0]

    def state(slot: scripted.Slot) -> ReaderState:
        looks[0] += 1
        return ReaderState(UNKNOWN)

    monkeypatch.setattr(scripted.Slot, "state", state)
    seen = start(A)
    seen.wait(ReadersChanged)
    time.sleep(0.5)
    assert looks[0] < 60
    monkeypatch.undo()
    seen.readers.insert(A, card())
    seen.wait(Inserted)


def test_a_system_that_says_at_once_that_something_changed_when_nothing_did_keeps_nobody_busy(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.bridge import scripted

    plain, looks = scripted._States.changes, [0]

    def changes(states: Any, known: Any, seconds: float) -> Any:
        looks[0] += 1
        return plain(states, known, 0.0)

    monkeypatch.setattr(scripted._States, "changes", changes)
    seen = start(A)
    seen.wait(ReadersChanged)
    time.sleep(0.5)
    assert looks[0] < 20, "it runs round and round"
    seen.readers.insert(A, card())
    assert seen.wait(Inserted).fresh


def test_a_reader_that_only_the_list_shows_to_be_gone_takes_its_card_with_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.bridge import scripted

    plain = scripted._States.changes

    def changes(states: Any, known: Any, seconds: float) -> Any:
        """As PC/SC does that refuses to tell of any reader when one is unknown."""
        got = plain(states, known, seconds)
        return {name: state if state.known else known[name] for name, state in got.items()}

    monkeypatch.setattr(scripted._States, "changes", changes)
    seen = start(A, B, a=card())
    first = seen.wait(Inserted)
    seen.readers.unplug(A)
    assert seen.wait(Removed) == Removed(A, first.insertion)
    until(lambda: seen.watcher.readers() == (ReaderSeen(B),))


def test_no_greeting_says_that_there_are_no_readers_before_anybody_looked() -> None:
    readers, free = ScriptedReaders("A", "B"), threading.Event()
    opened = readers.open
    readers.open = lambda: (free.wait(5), opened())[1]  # type: ignore[method-assign]
    watcher = Watcher(readers, lambda sighting: None, settled=0)
    watcher.start()
    try:
        assert not watcher.first_look(0.05)
        free.set()
        assert watcher.first_look(5)
        assert [reader.name for reader in watcher.readers()] == ["A", "B"]
    finally:
        free.set()
        watcher.stop()
