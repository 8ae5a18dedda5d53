"""The bridge's readings through a real PC/SC service: whole and of one card, or a fault."""

from __future__ import annotations

import hashlib
import signal
import threading
import time

import pytest

from tests.pcsc.card_program import Bridge, Facts
from tests.pcsc.conftest import RigMaker
from tests.pcsc.faults import after, become, more_for_ever, nulls, pull, short, slow
from tests.pcsc.other_program import OtherProgram
from tests.pcsc.people import Person, person
from tests.pcsc.rig import Rig
from tests.pcsc.virtual_card import ATRS, VirtualCard

ONE, OTHER = person(1), person(2)


def settled(rig: Rig, *cards: VirtualCard) -> Bridge:
    """A bridge that has seen `cards` in the first readers."""
    for number, card in enumerate(cards):
        rig.insert(card, number)
    bridge = Bridge(rig[0])
    bridge.event("Inserted", number=max(1, len(cards)))
    return bridge


def is_of(got: Facts, who: Person) -> bool:
    number = int(str(who.request)[4:])
    return (
        "fault" not in got
        and got["text"]["cid"] == who.cid
        and got["text"]["name_en"]["first"] == f"Sample{number}"
        and got["text"]["address"]["house"] == f"{number}/999"
        and got["text"]["laser_no"] == who.laser
        and got["serial"] == who.chip().hex().upper()
    )


@pytest.mark.parametrize("atr", ["3B79", "3B67"])
@pytest.mark.parametrize("version", ["0002", "0003"])
def test_a_whole_card_is_read_through_real_pc_sc(rig: Rig, version: str, atr: str) -> None:
    bridge = settled(rig, VirtualCard(ONE, version=version, atr=ATRS[atr]))
    got = bridge.read(rig[0].slots[0].name, photo=True)
    assert is_of(got, ONE) and "odd" not in got["text"]
    assert got["sha256"] == hashlib.sha256(bytes(ONE.field("photo", 5118))).hexdigest()
    assert got["atr"] == ATRS[atr].hex()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_service_ended_mid_read_is_a_fault_and_the_next_reading_is_whole(
    rig: Rig, how: signal.Signals
) -> None:
    card = VirtualCard(ONE, slow(20))
    bridge, reader = settled(rig, card), rig[0].slots[0].name
    asked = bridge.ask(reader)
    until_heard(card, 3)
    rig[0].down(how)
    assert bridge.answer(asked)["fault"] == "service-gone"
    bridge.event("ServiceLost")
    rig[0].up()
    bridge.event("ServiceBack")
    again = bridge.event("Inserted", number=2)
    assert again["insertion"] > bridge.events("Inserted")[0]["insertion"]
    assert is_of(bridge.read(reader), ONE)
    assert bridge.alive()


def until_heard(card: VirtualCard, count: int) -> None:
    end = time.monotonic() + 10
    while len(card.seen) < count:
        assert time.monotonic() < end, "the card heard nothing"
        time.sleep(0.002)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_service_ended_at_any_moment_of_a_reading_never_gives_half_a_reading_and_is_named(
    new_rig: RigMaker, how: signal.Signals
) -> None:
    rig = new_rig(4)
    cards = [VirtualCard(person(number), slow(4)) for number in range(4)]
    bridge = settled(rig, *cards)
    for turn in range(1, 9):
        asked = [bridge.ask(slot.name) for slot in rig[0].slots]
        time.sleep(turn * 0.012)
        rig[0].restart(how)
        for number, question in enumerate(asked):
            got = bridge.answer(question)
            assert got.get("fault") == "service-gone" or is_of(got, person(number)), got
        bridge.event("Inserted", number=4 * turn + 4)
    assert all(is_of(bridge.read(s.name), person(n)) for n, s in enumerate(rig[0].slots))


@pytest.mark.parametrize("then", [OTHER, ONE, None], ids=["swapped", "put in again", "pulled"])
def test_a_card_that_leaves_at_any_command_never_gives_a_reading_nor_one_of_two_people(
    new_rig: RigMaker, then: Person | None
) -> None:
    rig = new_rig(16)
    bridge = settled(rig, VirtualCard(ONE))
    total = bridge.read(rig[0].slots[0].name)["apdus"]
    rig.remove()
    bridge.event("Removed")
    seen = 1
    for first in range(0, total, 16):
        slots = dict(zip(range(first, total), rig[0].slots, strict=False))
        for number, slot in slots.items():
            slot.hand = 0  # the quickest hand: PC/SC itself never notices
            next_one = None if then is None else VirtualCard(then)
            slot.insert(VirtualCard(ONE, after(number, pull(next_one))))
        seen += len(slots)
        bridge.event("Inserted", number=seen)
        asked = {number: bridge.ask(slot.name) for number, slot in slots.items()}
        for number, question in asked.items():
            got = bridge.answer(question)
            assert got.get("fault") in {"card-removed", "card-silent", "card-changed"}, (
                number,
                got,
            )
        for slot in slots.values():
            slot.remove()
        bridge.event("Removed", number=seen)


def test_a_card_that_leaves_at_any_command_of_the_photo_gives_none_of_anybody(
    new_rig: RigMaker,
) -> None:
    rig = new_rig(16)
    reader = rig[0].slots[0].name
    card = VirtualCard(ONE)
    bridge = settled(rig, card)
    text = bridge.read(reader)["apdus"]
    before = len(card.seen)
    assert bridge.read(reader, photo=True)["photo"]
    total = len(card.seen) - before
    assert total > text + 40  # 21 READs and as many GET RESPONSE
    rig.remove()
    bridge.event("Removed")
    seen = 1
    for first in range(text, total, 16):
        slots = dict(zip(range(first, total), rig[0].slots, strict=False))
        for number, slot in slots.items():
            slot.hand = 0
            slot.insert(VirtualCard(ONE, after(number, pull(VirtualCard(OTHER)))))
        seen += len(slots)
        bridge.event("Inserted", number=seen)
        asked = {number: bridge.ask(slot.name, photo=True) for number, slot in slots.items()}
        for number, question in asked.items():
            got = bridge.answer(question)
            assert got.get("fault") in {"card-removed", "card-silent", "card-changed"}, (
                number,
                got,
            )
        for slot in slots.values():
            slot.remove()
        bridge.event("Removed", number=seen)


def test_a_chip_that_turns_into_another_is_found_by_the_brackets(rig: Rig) -> None:
    bridge, reader = settled(rig, VirtualCard(ONE, after(10, become(OTHER)))), rig[0].slots[0].name
    assert bridge.read(reader)["fault"] == "card-changed"
    assert is_of(bridge.read(reader), OTHER), "and from then on it is that one"


def test_after_a_fault_of_the_card_the_reader_works_on(rig: Rig) -> None:
    reader = rig[0].slots[0].name
    card = VirtualCard(ONE)
    bridge = settled(rig, card)
    for broken in (more_for_ever(), short(), nulls()):
        card.faults.append(broken)
        assert bridge.read(reader)["fault"] in {"card-damaged", "card-silent", "not-a-thai-id"}
        card.faults.clear()
        assert is_of(bridge.read(reader), ONE)


def test_a_pulled_card_is_told_and_the_next_one_in_that_reader_is_read(rig: Rig) -> None:
    bridge, slot = settled(rig, VirtualCard(ONE, after(8, pull()))), rig[0].slots[0]
    assert bridge.read(slot.name)["fault"] == "card-removed", "and not that it may be upside down"
    bridge.event("Removed")
    slot.insert(VirtualCard(OTHER))
    bridge.event("Inserted", number=2)
    assert is_of(bridge.read(slot.name), OTHER)


def test_a_program_that_holds_the_card_alone_makes_the_reader_busy_and_nothing_worse(
    rig: Rig,
) -> None:
    bridge, reader = settled(rig, VirtualCard(ONE)), rig[0].slots[0].name
    other = OtherProgram(rig[0])
    assert other.connect(reader, exclusive=True) == 0
    got = bridge.read(reader)
    assert got["fault"] == "reader-busy" and got["took"] < 3
    assert other.disconnect() == 0
    assert is_of(bridge.read(reader), ONE)


def test_a_program_that_holds_the_card_for_a_moment_is_waited_for(rig: Rig) -> None:
    bridge, reader = settled(rig, VirtualCard(ONE)), rig[0].slots[0].name
    other = OtherProgram(rig[0])
    assert other.connect(reader, exclusive=True) == 0
    asked = bridge.ask(reader)
    time.sleep(0.3)
    assert other.disconnect() == 0
    assert is_of(bridge.answer(asked), ONE)


def test_another_programs_long_transaction_holds_up_no_other_reader_and_not_us_for_ever(
    rig: Rig,
) -> None:
    bridge = settled(rig, VirtualCard(ONE), VirtualCard(OTHER))
    held, free = (slot.name for slot in rig[0].slots)
    other = OtherProgram(rig[0])
    assert other.connect(held) == other.begin() == 0
    got = bridge.read(held, within=0.5)
    assert got["fault"] == "reader-busy" and 0.4 < got["took"] < 2
    assert bridge.read(held, within=0.5)["took"] < 0.2, "the reader is known to be busy"
    assert is_of(bridge.read(free), OTHER)
    rig.remove(1)
    bridge.event("Removed")  # the watcher is not held up either
    assert other.end() == other.disconnect() == 0
    end = time.monotonic() + 5
    while "fault" in (got := bridge.read(held)) and time.monotonic() < end:
        time.sleep(0.05)
    assert is_of(got, ONE)


def test_another_programs_reset_between_two_commands_is_a_fault(rig: Rig) -> None:
    card = VirtualCard(ONE, slow(20))
    rig.insert(card)
    other = OtherProgram(rig[0])
    reader = rig[0].slots[0].name
    other.wait(reader)
    assert other.connect(reader) == 0
    bridge = Bridge(rig[0])
    bridge.event("Inserted")
    asked = bridge.ask(reader)
    until_heard(card, 3)
    # Our transaction keeps it out until we are done, so what comes is whole.
    resetting = threading.Thread(target=other.disconnect, args=(True,))
    resetting.start()
    got = bridge.answer(asked)
    resetting.join(10)
    assert is_of(got, ONE) or got["fault"] == "reader-busy"
    assert is_of(bridge.read(reader), ONE), "and the next reading is whole"


def test_a_program_that_resets_the_card_again_and_again_does_not_fail_our_readings(
    rig: Rig,
) -> None:
    bridge, reader = settled(rig, VirtualCard(ONE)), rig[0].slots[0].name
    other = OtherProgram(rig[0])
    resetting = threading.Event()

    def reset_on() -> None:
        while not resetting.is_set():
            other.resets(reader, 50)

    thread = threading.Thread(target=reset_on)
    thread.start()
    try:
        got = [bridge.read(reader, fields=["cid"]) for _ in range(300)]
    finally:
        resetting.set()
        thread.join(10)
    faults = [one["detail"] for one in got if "fault" in one]
    assert not faults, f"{len(faults)} of {len(got)}: {set(faults)}"


def test_sixteen_readers_are_read_at_once_and_never_mixed(new_rig: RigMaker) -> None:
    rig = new_rig(16)
    bridge = settled(rig, *(VirtualCard(person(number)) for number in range(16)))
    for _ in range(3):
        asked = {n: bridge.ask(slot.name, photo=True) for n, slot in enumerate(rig[0].slots)}
        for number, question in asked.items():
            got = bridge.answer(question)
            assert is_of(got, person(number)), (number, got)
            photo = person(number).field("photo", 5118)
            assert got["sha256"] == hashlib.sha256(photo).hexdigest()
