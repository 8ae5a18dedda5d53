"""Which commands a reading is made of."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest

from reader_bridge.card import thai_card
from reader_bridge.fields import Field
from tests.pcsc import people

NAMES = {
    Field.birth: "born",
    Field.request_no: "request",
    Field.photo_no: "photo_number",
    Field.card_type: "kind",
}
ON_CHIP = [field for field in Field if field not in {Field.version, Field.laser_no}]


@pytest.mark.parametrize("field", ON_CHIP)
def test_every_field_is_read_at_its_place_in_its_full_length(field: Field) -> None:
    span = thai_card.place(field, b"0003")
    assert (span.block, span.offset, span.length) == (
        0,
        *people.FIELDS[NAMES.get(field, field.value)],
    )


def test_version_0002_has_its_data_in_block_1_and_its_address_in_block_0() -> None:
    assert thai_card.place(Field.address, b"0002") == thai_card.Span(0, 4, 150)
    others = [f for f in ON_CHIP if f is not Field.address]
    assert {thai_card.place(field, b"0002").block for field in others} == {1}
    assert {span.block for span in thai_card.photo(b"0002")} == {1}


def test_the_photo_is_read_to_its_last_of_5118_bytes() -> None:
    spans = thai_card.photo(b"0003")
    assert (spans[0].offset, len(spans)) == (0x017B, 21)
    assert sum(span.length for span in spans) == 5118
    for one, next_ in pairwise(spans):
        assert one.offset + one.length == next_.offset


@pytest.mark.parametrize("version", [b"0002", b"0003"])
def test_no_set_of_fields_reads_a_byte_that_was_not_asked_for_nor_one_twice(version: bytes) -> None:
    fields = [f for f in ON_CHIP if f is not Field.cid]
    for count in (1, 2, 3, len(fields) - 1, len(fields)):
        for asked in combinations(fields, count):
            pieces = thai_card.plan(frozenset(asked), version)
            read = [
                (piece.span.block, piece.span.offset + at)
                for piece in pieces
                for at in range(piece.span.length)
            ]
            spans = [thai_card.place(f, version) for f in asked]
            wanted = [(s.block, s.offset + at) for s in spans for at in range(s.length)]
            assert sorted(read) == sorted(wanted)
            assert max(piece.span.length for piece in pieces) <= 255


def test_neighbours_come_in_one_command() -> None:
    assert len(thai_card.plan(frozenset(Field), b"0003")) == 3
    (piece,) = thai_card.plan(frozenset({Field.name_th, Field.name_en, Field.birth}), b"0003")
    assert piece.span == thai_card.Span(0, 0x11, 208)
    assert len(thai_card.plan(frozenset({Field.name_th, Field.birth}), b"0003")) == 2


def test_the_commands_are_those_of_the_card() -> None:
    assert thai_card.select(thai_card.APPLET).hex() == "00a4040008a000000054480001"
    assert thai_card.Span(0, 0x1579, 160).read().hex() == "80b01579" + "0200a0"
    head, other = (thai_card.get_response_head(bytes.fromhex(atr)) for atr in ("3B79", "3B67"))
    assert thai_card.get_response(13, head).hex() == "00c000000d"
    assert thai_card.get_response(256, head).hex() == "00c0000000"
    assert thai_card.get_response(13, other).hex() == "00c000010d"


@pytest.mark.parametrize("length", [0, 256])
def test_a_command_for_nothing_or_for_too_much_cannot_be_made(length: int) -> None:
    with pytest.raises(ValueError, match="1 to 255"):
        thai_card.Span(0, 0, length).read()


@pytest.mark.parametrize("pad", [b"", b" " * 40, bytes(40), b"\xff" * 40])
def test_only_padding_behind_the_end_of_a_photo_is_taken_off(pad: bytes) -> None:
    photo = b"\xff\xd8 \x00\xff picture \xff\xd9"
    assert thai_card.trimmed(photo + pad) == photo


def test_a_photo_that_does_not_end_as_a_jpeg_keeps_every_byte() -> None:
    cut = b"\xff\xd8 picture " + b" " * 20
    assert thai_card.trimmed(cut) == cut


def test_what_does_not_begin_as_a_jpeg_is_no_photo() -> None:
    with pytest.raises(ValueError, match="no JPEG"):
        thai_card.trimmed(b" " * 5118)


def test_production_data_of_another_shape_are_no_serial_number() -> None:
    data = b"\x9f\x7f\x2a" + bytes(10) + bytes(range(8)) + bytes(24)
    assert thai_card.chip_serial(data) == "0001020304050607"
    assert thai_card.chip_serial(data[:20]) is None
    assert thai_card.chip_serial(b"\x00" + data) is None
