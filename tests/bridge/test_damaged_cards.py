"""A card that lies, stutters or is broken gives a fault, and that soon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reader_bridge.fields import Fault, Field
from reader_bridge.pcsc.ports import CardFault
from tests.bridge.desk import ONE, Make, commands, fault, of_one_person, whole
from tests.pcsc.faults import (
    after,
    fetching,
    lies_of_length,
    more_for_ever,
    nulls,
    once,
    says,
    short,
    too_long,
)
from tests.pcsc.virtual_card import THAI, VirtualCard

Lie = Callable[[VirtualCard, bytes], bytes | None]


@pytest.mark.parametrize("count", [1, 4, 0x0D, 0xFF, 0])
def test_an_answer_that_goes_on_for_ever_ends_as_a_fault_within_few_commands(
    desk: Make, count: int
) -> None:
    for number in range(commands(desk)):
        place = desk(VirtualCard(ONE, after(number, more_for_ever(count))))
        assert fault(place.read) in {
            Fault.card_damaged,
            Fault.not_a_thai_id,
            Fault.card_changed,
        }, number
        assert len(place.card.seen) <= number + 40


@pytest.mark.parametrize("status", ["6100", "6C00", "6C10", "6CFF"])
def test_a_status_that_only_puts_off_for_ever_is_a_fault(desk: Make, status: str) -> None:
    for number in range(commands(desk)):
        place = desk(VirtualCard(ONE, after(number, says(status))))
        assert isinstance(fault(place.read), Fault), number
        reads = [apdu for apdu in place.card.seen if apdu[:2] == b"\x80\xb0"]
        assert all(len(apdu) == 7 for apdu in reads), "a READ without its block and length"
        assert len(place.card.seen) <= number + 40


LIES = {
    "promises-more": lies_of_length(1),
    "promises-less": lies_of_length(-1),
    "short": short(),
    "shorter": short(4),
    "long": too_long(),
    "longer": too_long(100),
    "empty": says("9000"),
    "refuses": says("6F00"),
}


@pytest.mark.parametrize("lie", list(LIES.values()), ids=list(LIES))
@pytest.mark.parametrize("where", [b"\x80\xb0", b"\x00\xc0"], ids=["read", "fetch"])
def test_a_length_that_lies_is_never_a_reading(desk: Make, lie: Lie, where: bytes) -> None:
    for number in (n for n, apdu in enumerate(whole(desk)) if apdu[:2] == where):
        place = desk(VirtualCard(ONE, once(number, lie)))
        try:
            got = place.read()
        except CardFault as raised:
            found = raised.fault
        else:
            # Not a lie there: what has no data cannot be short, what has no `61` promises nothing.
            assert of_one_person(got, ONE) and got.text.odd == ()
            continue
        assert found is Fault.card_damaged


def test_data_shorter_or_longer_than_the_field_are_a_fault_wherever_they_come(desk: Make) -> None:
    fetches = [n for n, apdu in enumerate(whole(desk)) if apdu[:2] == b"\x00\xc0"]
    for lie in (short(), too_long(), says("9000")):
        for number in fetches:
            place = desk(VirtualCard(ONE, once(number, lie)))
            assert fault(place.read) is Fault.card_damaged, number


def test_whole_data_under_a_status_that_is_not_quite_good_are_a_fault(desk: Make) -> None:
    def not_quite(card: VirtualCard, apdu: bytes) -> bytes:
        return card.answer(apdu)[:-2] + b"\x90\x01"

    for number in (n for n, apdu in enumerate(whole(desk)) if apdu[:2] == b"\x00\xc0"):
        assert isinstance(fault(desk(VirtualCard(ONE, once(number, not_quite))).read), Fault)


def test_nuls_in_place_of_what_must_be_digits_are_a_damaged_card(desk: Make) -> None:
    assert fault(desk(VirtualCard(ONE, fetching(nulls()))).read) is Fault.card_damaged
    for field, name in (
        (Field.cid, "cid"),
        (Field.birth, "born"),
        (Field.sex, "sex"),
        (Field.issued, "issued"),
        (Field.expires, "expires"),
    ):
        broken = replace(ONE, **{name: b"\x00" * {"cid": 13, "sex": 1}.get(name, 8)})
        assert fault(lambda b=broken, f=field: desk(VirtualCard(b)).read({f})) is Fault.card_damaged


def test_a_card_of_something_else_is_told_so(desk: Make) -> None:
    def refuse(card: VirtualCard, apdu: bytes) -> bytes | None:
        return b"\x6a\x82" if THAI in apdu else None

    assert fault(desk(VirtualCard(ONE, refuse)).read) is Fault.not_a_thai_id


@pytest.mark.parametrize("version", [b"\x00" * 4, b"    ", b"V003"])
def test_a_version_that_is_no_number_is_a_damaged_card(desk: Make, version: bytes) -> None:
    card = VirtualCard(ONE)

    def lie(card: VirtualCard, apdu: bytes) -> bytes | None:
        return version + b"\x90\x00" if len(card.seen) == 4 else None

    card.faults.append(lie)
    assert fault(desk(card).read) is Fault.card_damaged
