"""A reading is whole and of one card, or it is a fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from reader_bridge.card.reading import read_text
from reader_bridge.fields import CardText, Fault, Field, Name, PartialDate
from reader_bridge.pcsc.ports import CardFault
from reader_bridge.pcsc.sightings import Inserted
from tests.bridge.desk import ONE, OTHER, READER, Desk, Make, commands, fault, of_one_person
from tests.pcsc.faults import (
    after,
    become,
    once,
    pull,
    says,
)
from tests.pcsc.people import Person, filled, person
from tests.pcsc.virtual_card import ATRS, LASER, VirtualCard


@pytest.mark.parametrize("atr", list(ATRS.values()), ids=list(ATRS))
@pytest.mark.parametrize("version", ["0002", "0003", "0004"])
def test_every_field_of_every_card_is_read(desk: Make, version: str, atr: bytes) -> None:
    place = desk(VirtualCard(ONE, version=version, atr=atr))
    got = place.read()
    assert of_one_person(got, ONE)
    assert got.atr == atr
    text = got.text
    assert text.name_en == Name(prefix="Mr.", first="Sample1", last="Person")
    assert text.birth == PartialDate(1958, 2, 2)
    assert (text.sex, text.card_type, text.version) == ("male", "01", version)
    assert (text.issued, text.expires) == (PartialDate(2022, 1, 15), PartialDate(2031, 2, 28))
    assert (text.request_no, text.photo_no) == (ONE.request, ONE.photo_number)
    assert (text.issuer, text.issuer_code) == (ONE.issuer, ONE.issuer_code)
    assert text.address and text.address.province == "จังหวัดสมุทรปราการ"
    assert text.odd == ()
    assert place.photo(got) == ONE.photo


def test_fields_that_are_full_to_their_last_byte_are_not_cut(desk: Make) -> None:
    whole = filled(ONE)
    text = desk(VirtualCard(whole)).read().text
    assert text.name_th and text.name_en and text.address and text.issuer
    assert text.name_th.last.endswith("กกก") and len(text.issuer) == 100
    assert "#".join([*(getattr(text.address, f) for f in text.address.__struct_fields__)]) == (
        whole.address
    )


LENGTHS = {
    **dict.fromkeys([Field.name_th, Field.name_en, Field.issuer], 100),
    **dict.fromkeys([Field.birth, Field.issued, Field.expires], 8),
    **dict.fromkeys([Field.version, Field.cid, Field.laser_no], 0),  # read anyway, or elsewhere
    Field.address: 160,
    Field.sex: 1,
    Field.request_no: 20,
    Field.issuer_code: 13,
    Field.card_type: 2,
    Field.photo_no: 14,
}


@pytest.mark.parametrize("field", list(Field))
def test_only_the_field_asked_for_is_read_from_the_chip_and_returned(
    desk: Make, field: Field
) -> None:
    place = desk()
    text = place.read({field}).text
    names = CardText.__struct_fields__
    returned = {name for name in names if getattr(text, name) not in (None, ())}
    assert returned == ({"expires", "no_expiry"} if field is Field.expires else {field})
    read = sum(apdu[6] for apdu in place.card.seen if apdu[:2] == b"\x80\xb0")
    assert read == 4 + 13 + 13 + LENGTHS[field]  # version, and the CID at both ends
    assert any(LASER in apdu for apdu in place.card.seen) == (field is Field.laser_no)


def test_a_reading_of_nothing_still_says_which_chip_it_was_and_returns_no_field(desk: Make) -> None:
    got = desk().read(())
    assert got.text == CardText()
    assert got.chip_serial == ONE.chip().hex().upper()


def test_the_cid_is_in_no_representation_of_a_reading(desk: Make) -> None:
    got = desk().read({Field.cid, Field.name_en})
    for shown in (repr(got), repr(got.bracket)):
        assert str(ONE.cid) not in shown and "Sample" not in shown


@pytest.mark.parametrize("silent", [False, True], ids=["as-pcsc", "oblivious-driver"])
def test_a_card_swapped_at_any_command_never_gives_a_record_of_two_people(
    desk: Make, silent: bool
) -> None:
    total = commands(desk)
    for number in range(1, total + 1):
        place = desk(oblivious=silent)

        def swap(sent: int, place: Desk = place, at: int = number) -> None:
            if sent == at:
                place.readers.insert(READER, VirtualCard(OTHER))

        place.readers.before = swap
        assert fault(place.read) in {
            Fault.card_removed,
            Fault.not_a_thai_id,
            Fault.card_damaged,
            Fault.card_changed,
        }, number


def test_a_chip_that_turns_into_another_without_a_sign_is_found_by_the_brackets(desk: Make) -> None:
    total = commands(desk)
    for number in range(total):
        place = desk(VirtualCard(ONE, after(number, become(OTHER))))
        if number <= 1:  # of the first one, nothing was read: it was selected at most
            assert of_one_person(place.read(), OTHER)
        else:
            assert fault(place.read) is Fault.card_changed, number


def test_another_chip_with_the_same_cid_is_found(desk: Make) -> None:
    def turn(card: VirtualCard, apdu: bytes) -> None:
        card.person, card.chip = replace(OTHER, cid=ONE.cid), OTHER.chip()

    for number in range(2, commands(desk)):
        assert fault(desk(VirtualCard(ONE, after(number, turn))).read) is Fault.card_changed


def test_the_same_chip_with_another_cid_is_found(desk: Make) -> None:
    place = desk(VirtualCard(ONE))
    total = place.read().apdus
    for number in range(6, total - 2):
        card = VirtualCard(ONE)
        other = replace(ONE, cid=OTHER.cid)

        def turn(card: VirtualCard, apdu: bytes, other: Person = other) -> None:
            card.person = other

        card.faults.append(after(number, turn))
        assert fault(desk(card).read) is Fault.card_changed, number


def test_a_card_pulled_at_any_command_leaves_nothing(desk: Make) -> None:
    for number in range(commands(desk)):
        assert fault(desk(VirtualCard(ONE, after(number, pull()))).read) is Fault.card_removed


def test_the_same_card_put_in_again_at_any_command_leaves_nothing(desk: Make) -> None:
    for number in range(commands(desk)):
        for oblivious in (False, True):
            place = desk(oblivious=oblivious)

            def again(sent: int, place: Desk = place, at: int = number + 1) -> None:
                if sent == at:
                    place.readers.remove(READER)
                    place.readers.insert(READER, place.card)

            place.readers.before = again
            assert isinstance(fault(place.read), Fault), number


def test_a_card_put_in_again_before_the_transaction_is_not_the_one_that_was_asked_for(
    desk: Make,
) -> None:
    place = desk()
    place.readers.remove(READER)
    place.readers.insert(READER, VirtualCard(OTHER))  # and the watcher has not looked yet
    assert fault(place.read) is Fault.card_removed


def test_a_removal_that_only_the_watcher_saw_ends_the_reading_at_any_command(desk: Make) -> None:
    for number in range(1, commands(desk) + 1):
        place = desk(oblivious=True)
        asked = place.inserted
        assert asked is not None
        later = replace(asked, insertion=asked.insertion + 1_000_000)

        def leave(
            sent: int, place: Desk = place, later: Inserted = later, at: int = number
        ) -> None:
            if sent == at:
                place.inserted = later

        place.readers.before = leave
        with pytest.raises(CardFault) as raised:
            read_text(place.cards, asked, list(Field))
        assert raised.value.fault is Fault.card_removed, number


@pytest.mark.parametrize("kind", ["text", "photo"])
def test_a_reading_can_be_cancelled_before_every_command_and_none_follows(
    desk: Make, kind: str
) -> None:
    whole = desk()
    same = whole.read()
    total = same.apdus
    if kind == "photo":
        whole.photo(same)
        total = len(whole.card.seen) - total
    for number in range(total):
        place = desk()
        heard = [0]
        place.readers.before = heard.append

        def over(heard: list[int] = heard, at: int = number) -> bool:
            return heard[-1] >= at

        def read(place: Desk = place, over: Callable[[], bool] = over) -> object:
            if kind == "text":
                return place.read(cancelled=over)
            return place.photo(same, cancelled=over)

        assert fault(read) is Fault.cancelled
        assert len(place.card.seen) == number


def test_progress_counts_every_byte_of_text_and_photo(desk: Make) -> None:
    place, steps = desk(), [(-1, -1)]
    got = place.read(progress=lambda done, total: steps.append((done, total)))
    total = 377 - 17 + 174
    assert steps[1] == (0, total) and steps[-1] == (total, total)
    assert [done for done, _ in steps[1:]] == [0, 229, 229 + 131, total]
    steps.clear()
    place.photo(got, progress=lambda done, total: steps.append((done, total)))
    assert steps[0] == (0, 5118) and steps[-1] == (5118, 5118) and len(steps) == 22


def test_a_chip_that_tells_no_serial_number_is_bracketed_by_its_cid(desk: Make) -> None:
    got = desk(VirtualCard(ONE, chip=None)).read()
    assert got.chip_serial is None and got.text.cid == ONE.cid
    assert fault(desk(VirtualCard(ONE, after(12, become(OTHER)), chip=None)).read) is (
        Fault.card_changed
    )


def test_a_serial_number_that_only_the_card_manager_tells_is_asked_of_it(desk: Make) -> None:
    managed = False

    def manager(card: VirtualCard, apdu: bytes) -> bytes | None:
        nonlocal managed
        if apdu[:4] == b"\x00\xa4\x04\x00":
            managed = apdu == b"\x00\xa4\x04\x00\x00"
            if managed:
                card.reset()  # the applet is no longer selected
                return b"\x90\x00"
            return None
        return b"\x6d\x00" if apdu[:2] == b"\x80\xca" and not managed else None

    got = desk(VirtualCard(ONE, manager)).read()
    assert of_one_person(got, ONE)


def only_before_any_select(card: VirtualCard, apdu: bytes) -> bytes | None:
    """A chip whose default application alone tells the production data."""
    if apdu[:2] == b"\x80\xca" and any(sent[:2] == b"\x00\xa4" for sent in card.seen):
        return b"\x6d\x00"
    return b"\x6a\x82" if apdu == b"\x00\xa4\x04\x00\x00" else None


def test_a_chip_that_tells_its_number_in_one_state_only_is_not_taken_for_a_card_that_changed(
    desk: Make,
) -> None:
    place = desk(VirtualCard(ONE, only_before_any_select))
    for _ in range(2):  # the second time the applet of the first is still selected
        got = place.read()
        assert (got.text.cid, got.chip_serial) == (ONE.cid, None)
        assert place.photo(got) == ONE.photo


def test_a_card_manager_that_says_how_much_it_has_to_tell_is_selected_all_the_same(
    desk: Make,
) -> None:
    managed = False

    def manager(card: VirtualCard, apdu: bytes) -> bytes | None:
        nonlocal managed
        if apdu[:4] == b"\x00\xa4\x04\x00":
            managed = apdu[4:] == b"\x12"
            if managed:
                return b"A" * 0x12 + b"\x90\x00"
            return b"\x6c\x12" if apdu[4:] == b"\x00" else None
        return b"\x6d\x00" if apdu[:2] == b"\x80\xca" and not managed else None

    assert of_one_person(desk(VirtualCard(ONE, manager)).read(), ONE)


def test_a_card_without_the_laser_applet_is_read_all_the_same(desk: Make) -> None:
    def refuse(card: VirtualCard, apdu: bytes) -> bytes | None:
        return b"\x6a\x82" if LASER in apdu else None

    text = desk(VirtualCard(ONE, refuse)).read().text
    assert (text.laser_no, text.odd, text.cid) == (None, ("laser_no:absent",), ONE.cid)


def test_the_photo_is_exactly_what_is_on_the_card(desk: Make) -> None:
    for size in (5118, 5117, 4000):
        who = person(5, photo=size)
        place = desk(VirtualCard(who))
        assert place.photo(place.read({Field.cid})) == who.photo


@pytest.mark.parametrize("as_ours", ["nothing", "cid", "chip"])
def test_a_photo_of_another_card_is_not_the_photo_of_this_reading(desk: Make, as_ours: str) -> None:
    place = desk()
    same = place.read({Field.name_th})
    who = replace(OTHER, cid=ONE.cid) if as_ours == "cid" else OTHER
    place.insert(VirtualCard(who, chip=(ONE if as_ours == "chip" else OTHER).chip()))
    assert fault(lambda: place.photo(same)) is Fault.card_changed
    assert max(apdu[6] for apdu in place.card.seen if apdu[:2] == b"\x80\xb0") <= 13


def test_a_card_swapped_at_any_command_of_the_photo_gives_none(desk: Make) -> None:
    count = desk()
    same = count.read()
    before = len(count.card.seen)
    count.photo(same)
    for number in range(len(count.card.seen) - before):
        place = desk(VirtualCard(ONE, after(number, become(OTHER))))
        assert fault(lambda place=place: place.photo(same)) is Fault.card_changed, number
        place = desk(VirtualCard(ONE, after(number, pull(VirtualCard(ONE)))))
        assert fault(lambda place=place: place.photo(same)) is Fault.card_removed, number


def test_a_card_without_a_photo_is_told_and_not_shown_as_one(desk: Make) -> None:
    place = desk(VirtualCard(replace(ONE, photo=b"")))
    same = place.read()
    assert fault(lambda: place.photo(same)) is Fault.card_damaged


def test_a_service_that_ends_at_any_command_is_told_as_that(desk: Make) -> None:
    for number in range(1, commands(desk) + 1):
        place = desk()

        def die(sent: int, place: Desk = place, at: int = number) -> None:
            if sent == at:
                place.readers.service(False)

        place.readers.before = die
        assert fault(place.read) is Fault.service_gone


def test_after_a_fault_the_next_reading_begins_from_nothing(desk: Make) -> None:
    for number in range(commands(desk)):
        place = desk(VirtualCard(ONE, once(number, says("6F00"))))
        try:
            assert of_one_person(place.read(), ONE) is not None
        except CardFault:
            got = place.read()
            assert of_one_person(got, ONE)


@pytest.mark.parametrize("kind", [ValueError, KeyError, OSError, MemoryError, SystemExit])
def test_an_error_of_our_own_is_a_fault_that_quotes_nothing_of_the_card_and_ends_no_reader(
    desk: Make, caplog: pytest.LogCaptureFixture, kind: type[BaseException]
) -> None:
    def stumble(done: int, total: int) -> None:
        raise kind(f"about {ONE.cid}")

    place = desk()
    assert fault(lambda: place.read(progress=stumble)) is Fault.failed
    assert str(ONE.cid) not in caplog.text
    assert of_one_person(place.read(), ONE)
