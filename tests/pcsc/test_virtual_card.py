"""The virtual card by itself: what a real one holds and answers, and the faults ordered."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from reader_bridge.fields import Field
from tests.bridge.desk import Desk
from tests.pcsc.bare_read import reading
from tests.pcsc.faults import (
    CLOCK_HZ,
    CLOCKS,
    after,
    become,
    byte_time,
    fetching,
    lies_of_length,
    more_for_ever,
    nulls,
    once,
    pull,
    says,
    seconds_of_bytes,
    short,
    too_long,
)
from tests.pcsc.people import FIELDS, OLD_ADDRESS, SAMPLE, check_digit, filled, person
from tests.pcsc.virtual_card import ATRS, LASER, THAI, CardPulled, VirtualCard

SELECT = b"\x00\xa4\x04\x00\x08"
SERIAL = bytes.fromhex("80CA9F7F2D")


def read(card: VirtualCard, offset: int, length: int, block: int = 0, p2: int = 0) -> bytes:
    """A field in one piece of at most 255 bytes, asserting what comes on the way."""
    asked = b"\x80\xb0" + offset.to_bytes(2, "big") + bytes((2, block, length))
    assert card.transmit(asked) == (b"", 0x61, length)
    data, *status = card.transmit(b"\x00\xc0\x00" + bytes((p2, length)))
    assert status == [0x90, 0x00]
    return data


def selected(card: VirtualCard) -> VirtualCard:
    assert card.transmit(SELECT + THAI) == (b"", 0x61, 12)
    return card


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_stands_at_its_offset_in_its_full_length(name: str) -> None:
    full = filled(SAMPLE)
    card, (offset, length) = selected(VirtualCard(full)), FIELDS[name]
    got = b"".join(
        read(card, start, min(254, offset + length - start))
        for start in range(offset, offset + length, 254)
    )
    wanted = getattr(full, name)
    wanted = wanted.encode("tis-620") if isinstance(wanted, str) else wanted
    assert len(got) == length and got == wanted.ljust(length)


def test_an_old_card_has_its_address_in_block_0_and_all_else_in_block_1() -> None:
    card = selected(VirtualCard(version="0002"))
    assert read(card, 0, 4) == b"0002"
    assert read(card, *OLD_ADDRESS).rstrip().decode("tis-620") == SAMPLE.address
    assert read(card, *FIELDS["cid"], block=1).decode() == SAMPLE.cid
    assert read(card, *FIELDS["address"], block=1) == b" " * 160
    assert card.transmit(bytes.fromhex("80B0015A02000D"))[1:] == (0x6B, 0x00)


def test_a_new_card_has_no_block_1() -> None:
    assert selected(VirtualCard()).transmit(bytes.fromhex("80B0000402010D"))[1:] == (0x6A, 0x82)


@pytest.mark.parametrize("name", ATRS)
def test_only_a_card_of_3b67_wants_p2_01(name: str) -> None:
    card = selected(VirtualCard(atr=ATRS[name]))
    right = int(name == "3B67")
    assert read(card, *FIELDS["cid"], p2=right).decode() == SAMPLE.cid
    card.transmit(bytes.fromhex("80B0000402000D"))
    assert card.transmit(b"\x00\xc0\x00" + bytes((1 - right, 13)))[1:] == (0x6A, 0x86)


@pytest.mark.parametrize("atr", ATRS.values(), ids=ATRS)
def test_an_atr_has_as_many_historical_bytes_as_it_says(atr: bytes) -> None:
    interface = (atr[1] >> 4).bit_count()
    assert len(atr) == 2 + interface + (atr[1] & 0x0F)


def test_nothing_is_read_before_the_applet_is_selected_nor_after_a_reset() -> None:
    card = VirtualCard()
    assert card.transmit(bytes.fromhex("80B0000402000D"))[1:] == (0x6D, 0x00)
    selected(card).reset()
    assert card.transmit(bytes.fromhex("80B0000402000D"))[1:] == (0x6D, 0x00)


def test_an_answer_waits_for_the_next_apdu_alone() -> None:
    card = selected(VirtualCard())
    card.transmit(bytes.fromhex("80B0000402000D"))
    card.transmit(SERIAL)
    assert card.transmit(bytes.fromhex("00C000000D"))[1:] == (0x69, 0x85)


def test_a_long_answer_may_be_fetched_in_parts_and_a_wrong_length_is_put_right() -> None:
    card = selected(VirtualCard())
    card.transmit(bytes.fromhex("80B0000402000D"))
    assert card.transmit(bytes.fromhex("00C0000020")) == (b"", 0x6C, 13)
    first, *status = card.transmit(bytes.fromhex("00C0000005"))
    assert status == [0x61, 8]
    rest, *status = card.transmit(bytes.fromhex("00C0000008"))
    assert status == [0x90, 0x00] and (first + rest).decode() == SAMPLE.cid


@pytest.mark.parametrize(
    ("atr", "text", "whole"),
    [("3B68", 0.886, 7.25), ("3B79", 0.074, 0.604), ("3B79-fast", 0.038, 0.312)],
)
def test_a_reading_takes_as_long_as_its_bytes_do_on_a_real_contact(
    atr: str, text: float, whole: float
) -> None:
    took = [0.0]

    def note(card: VirtualCard, apdu: bytes) -> bytes:
        answer = card.answer(apdu)
        took[0] += seconds_of_bytes(apdu, answer, CLOCKS[atr])
        return answer

    place = Desk(VirtualCard(SAMPLE, note, atr=ATRS[atr]))
    got = place.read(set(Field) - {Field.laser_no})
    assert took[0] == pytest.approx(text, rel=0.01)
    place.photo(got)
    assert took[0] == pytest.approx(whole, rel=0.01)
    place.close()


def test_a_card_of_byte_time_answers_no_sooner_than_its_bytes_would() -> None:
    card = VirtualCard(SAMPLE, byte_time(CLOCKS["3B68"]))
    card.reset()
    began = time.monotonic()
    assert card.respond(SELECT + THAI) == bytes((0x61, 12))
    assert time.monotonic() - began >= 16 * 12 * 372 / CLOCK_HZ


def test_chip_serial_and_laser_number_are_where_readers_look_for_them() -> None:
    card = VirtualCard()
    assert card.transmit(SERIAL[:4] + b"\0") == (b"", 0x6C, 0x2D)
    data, *status = card.transmit(SERIAL)
    assert status == [0x90, 0x00] and data[13:21] == card.chip == SAMPLE.chip()
    card.transmit(SELECT + LASER)
    data, *status = card.transmit(bytes.fromhex("8000000017"))
    assert status == [0x90, 0x00] and data[7:19].decode() == SAMPLE.laser
    assert VirtualCard(chip=None).transmit(SERIAL)[1:] == (0x6A, 0x88)


def test_sample_people_differ_and_have_right_check_digits_of_a_range_nobody_has() -> None:
    people = [person(number) for number in range(100)]
    for one in people:
        assert isinstance(one.cid, str) and one.cid.startswith("19999")
        assert one.cid[12] == check_digit(one.cid[:12])
        assert isinstance(one.photo, bytes) and len(one.photo) == 5118
        assert one.photo[:2] == b"\xff\xd8" and one.photo[-2:] == b"\xff\xd9"
    for name in ("cid", "name_th", "name_en", "request", "address", "photo", "laser"):
        assert len({getattr(one, name) for one in people}) == 100


def test_a_card_can_say_what_no_text_can() -> None:
    odd = replace(SAMPLE, name_th=b"\xdb\xa0\xff#\x80", born="25330000", address=b"")
    card = selected(VirtualCard(odd, pad=b"\0"))
    assert read(card, *FIELDS["name_th"]) == b"\xdb\xa0\xff#\x80".ljust(100, b"\0")
    assert read(card, *FIELDS["born"]) == b"25330000"
    assert read(card, *FIELDS["address"]) == bytes(160)


def test_a_field_that_is_too_long_is_not_cut_in_silence() -> None:
    with pytest.raises(ValueError, match="address: 161 bytes"):
        selected(VirtualCard(replace(SAMPLE, address="ก" * 161))).transmit(
            bytes.fromhex("80B0000402000D")
        )


# --- faults -------------------------------------------------------------------------------------


def test_a_card_goes_on_promising_more_for_ever() -> None:
    card = selected(VirtualCard(SAMPLE, after(1, more_for_ever())))
    assert card.transmit(bytes.fromhex("80B0000402000D")) == (b"", 0x61, 0x10)
    for _ in range(300):
        assert card.transmit(bytes.fromhex("00C0000010")) == (b"A" * 16, 0x61, 0x10)


@pytest.mark.parametrize(
    ("fault", "data"), [(short(2), b"19999"), (too_long(), b"1999900A"), (nulls(), bytes(7))]
)
def test_data_of_another_shape_comes_under_a_good_status(fault: object, data: bytes) -> None:
    card = selected(VirtualCard(SAMPLE, after(1, fault)))  # type: ignore[arg-type]
    assert card.transmit(bytes.fromhex("80B00004020007")) == (b"", 0x61, 7)
    assert card.transmit(bytes.fromhex("00C0000007")) == (data, 0x90, 0x00)


def test_a_card_lies_about_how_much_waits() -> None:
    card = selected(VirtualCard(SAMPLE, after(1, lies_of_length(9))))
    assert card.transmit(bytes.fromhex("80B0000402000D")) == (b"", 0x61, 22)


def test_a_fault_strikes_at_its_apdu_and_not_before_or_behind() -> None:
    card = VirtualCard(SAMPLE, once(2, says("6F00")))
    answers = [card.transmit(SERIAL)[1] for _ in range(4)]
    assert answers == [0x90, 0x90, 0x6F, 0x90]
    card = selected(VirtualCard(SAMPLE, fetching(says("6281"))))
    assert card.transmit(bytes.fromhex("80B0000402000D")) == (b"", 0x61, 13)
    assert card.transmit(bytes.fromhex("00C000000D")) == (b"", 0x62, 0x81)


def test_a_card_is_pulled_at_any_apdu_of_a_reading() -> None:
    apdus = reading()
    for count in range(len(apdus)):
        other = VirtualCard(person(1))
        card = VirtualCard(SAMPLE, after(count, pull(other)))
        for apdu in apdus[:count]:
            card.transmit(apdu)
        with pytest.raises(CardPulled) as pulled:
            card.transmit(apdus[count])
        assert pulled.value.then is other


def test_a_card_that_becomes_another_shows_it_by_cid_and_chip_alone() -> None:
    card = VirtualCard(SAMPLE, after(11, become(person(1))))
    answers = [card.transmit(apdu) for apdu in reading()]
    assert all(first in {0x90, 0x61} for _, first, _ in answers)
    said = [data for data, *_ in answers]
    assert said[0] != said[-1] and said[6].decode() == SAMPLE.cid != said[-2].decode()


@pytest.mark.parametrize("version", ["0003", "0002"])
@pytest.mark.parametrize("atr", ["3B79", "3B67"])
def test_the_bare_reading_asks_for_nothing_a_card_refuses(version: str, atr: str) -> None:
    card = VirtualCard(filled(SAMPLE) if version == "0003" else SAMPLE, version=version)
    card.atr = ATRS[atr]
    got = b""
    for apdu in reading(photo=True, version=version, p2=int(atr == "3B67")):
        data, first, _ = card.transmit(apdu)
        assert first in {0x90, 0x61}
        got += data
    assert card.person.field("photo", 5118) in got
    assert card.person.field("address", 160)[:150] in got
