"""What the bytes of a card's fields become."""

from __future__ import annotations

import pytest

from reader_bridge.card.card_text import check_digit_is_right, decode
from reader_bridge.fields import Address, Field, Name, PartialDate
from tests.pcsc.people import check_digit


def test_a_name_has_its_four_parts_without_the_padding() -> None:
    data = "น.ส.#ตัวอย่าง#กลาง#สมมติ".encode("tis-620").ljust(100)
    assert decode({Field.name_th: data}).name_th == Name(
        prefix="น.ส.", first="ตัวอย่าง", middle="กลาง", last="สมมติ"
    )


@pytest.mark.parametrize("pad", [b" ", b"\x00"])
def test_padding_of_spaces_and_of_nuls_is_not_part_of_a_value_and_is_not_strange(
    pad: bytes,
) -> None:
    got = decode({Field.issuer: "เขตตัวอย่าง".encode("tis-620").ljust(100, pad)})
    assert (got.issuer, got.odd) == ("เขตตัวอย่าง", ())


def test_every_letter_that_tis_620_defines_is_read_as_the_codec_of_the_standard_reads_it() -> None:
    codes = bytes([*range(0x21, 0x7F), *range(0xA1, 0xDB), *range(0xDF, 0xFC)])
    got = decode({Field.issuer: codes})
    assert (got.issuer, got.odd) == (codes.decode("tis-620"), ())


@pytest.mark.parametrize("code", [0x01, 0x0A, 0x1B, 0x7F, 0x80, 0xA0, 0xDB, 0xDE, 0xFC, 0xFF])
def test_a_byte_that_tis_620_does_not_define_is_kept_as_a_mark_and_told(code: int) -> None:
    got = decode({Field.issuer: b"A" + bytes((code,)) + b"B"})
    assert (got.issuer, got.odd) == ("A\ufffdB", ("issuer:undefined-bytes",))


def test_a_nul_inside_a_text_is_told_apart_from_padding() -> None:
    got = decode({Field.issuer: b"A\x00B\x00\x00"})
    assert (got.issuer, got.odd) == ("A\ufffdB", ("issuer:nul-bytes",))


def test_no_control_character_of_a_card_reaches_a_screen_or_a_terminal() -> None:
    got = decode({Field.issuer: bytes(range(0x20)) + b"x"})
    assert got.issuer is not None
    assert all(character.isprintable() or character == "\ufffd" for character in got.issuer)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (b"25330229", None),  # no such day in 1990
        (b"25390229", PartialDate(1996, 2, 29)),
        (b"25330100", PartialDate(1990, 1)),
        (b"25330000", PartialDate(1990)),
        (b"25331301", None),
        (b"25330132", None),
        (b"19900101", None),  # the Common Era: the card speaks the Buddhist one
        (b"00000000", None),
        (b"        ", None),
        (b"2533 1 1", None),
        (b"+2533011", None),
    ],
)
def test_a_date_is_partial_or_whole_or_told_to_be_none(
    said: bytes, meant: PartialDate | None
) -> None:
    got = decode({Field.birth: said})
    assert got.birth == meant
    assert got.odd == (() if meant else ("birth:not-a-date",))


def test_a_day_without_its_month_is_not_guessed() -> None:
    got = decode({Field.birth: b"25330015"})
    assert (got.birth, got.odd) == (PartialDate(1990), ("birth:day-without-month",))


@pytest.mark.parametrize("never", [b"99999999", b"99991231"])
def test_a_card_for_life_has_no_expiry_and_that_is_not_strange(never: bytes) -> None:
    got = decode({Field.expires: never})
    assert (got.expires, got.no_expiry, got.odd) == (None, True, ())


def test_a_date_of_expiry_is_no_card_for_life() -> None:
    got = decode({Field.expires: b"25740228"})
    assert (got.expires, got.no_expiry) == (PartialDate(2031, 2, 28), False)


@pytest.mark.parametrize("field", [Field.birth, Field.issued, Field.expires, Field.sex, Field.cid])
def test_nuls_where_a_number_must_be_are_no_reading_at_all(field: Field) -> None:
    with pytest.raises(ValueError, match=str(field)):
        decode({field: bytes(13 if field is Field.cid else 1 if field is Field.sex else 8)})


def test_a_cid_with_a_wrong_check_digit_is_kept_and_told() -> None:
    right = "199990000000" + check_digit("199990000000")
    wrong = right[:12] + str((int(right[12]) + 1) % 10)
    assert decode({Field.cid: right.encode()}).odd == ()
    got = decode({Field.cid: wrong.encode()})
    assert (got.cid, got.odd) == (wrong, ("cid:check-digit",))


def test_the_check_digit_is_right_for_one_digit_of_ten() -> None:
    for twelve in ("199990000000", "199990000017", "100000000000", "899999999999"):
        digits = [d for d in range(10) if check_digit_is_right(f"{twelve}{d}")]
        assert digits == [int(check_digit(twelve))]


@pytest.mark.parametrize("cid", [b"1999900000 00", b"19999000000", b"\xb1" * 13, b"-199990000001"])
def test_what_is_not_thirteen_digits_is_no_cid_and_is_not_quoted(cid: bytes) -> None:
    with pytest.raises(ValueError, match=r"^cid: not thirteen digits$"):
        decode({Field.cid: cid})


def test_an_address_has_eight_parts_in_their_order() -> None:
    said = "1/2#หมู่ที่ 3#ซอย 4#ถนน 5#6#ตำบลเจ็ด#อำเภอแปด#จังหวัดเก้า"
    assert decode({Field.address: said.encode("tis-620").ljust(160)}).address == Address(
        house="1/2",
        village="หมู่ที่ 3",
        lane="ซอย 4",
        road="ถนน 5",
        unlabelled="6",
        subdistrict="ตำบลเจ็ด",
        district="อำเภอแปด",
        province="จังหวัดเก้า",
    )


def test_an_address_that_fills_its_160_bytes_loses_none_of_them() -> None:
    said = "1" * 20 + "#" * 6 + "อ" * 60 + "#" + "จ" * 73
    assert len(said) == 160
    got = decode({Field.address: said.encode("tis-620")}).address
    assert got is not None
    assert (got.district, got.province) == ("อ" * 60, "จ" * 73)


def test_parts_too_many_or_too_few_are_kept_and_told() -> None:
    many, few = decode({Field.name_en: b"A#B#C#D#E"}), decode({Field.name_en: b"A#B"})
    assert (many.name_en, many.odd) == (
        Name(prefix="A", first="B", middle="C", last="D#E"),
        ("name_en:parts",),
    )
    assert (few.name_en, few.odd) == (Name(prefix="A", first="B"), ("name_en:parts",))


def test_an_empty_name_and_an_empty_address_are_told() -> None:
    got = decode({Field.name_th: bytes(100), Field.address: b"#######".ljust(160)})
    assert got.odd == ("name_th:empty", "address:empty")


def test_a_sex_that_nobody_knows_is_the_character_on_the_card() -> None:
    assert decode({Field.sex: b"2"}).sex == "female"
    got = decode({Field.sex: b"9"})
    assert (got.sex, got.odd) == ("9", ("sex:unknown",))


def test_a_card_without_a_laser_number_says_so() -> None:
    assert decode({Field.laser_no: None}).odd == ("laser_no:absent",)
    assert decode({Field.laser_no: bytes(12)}).odd == ("laser_no:absent",)


def test_what_was_not_asked_for_stays_none() -> None:
    got = decode({Field.sex: b"1"})
    assert (got.cid, got.name_th, got.birth, got.no_expiry, got.version) == (None,) * 5
