"""Numbers as people write them, and numbers that are almost right."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.factories import numbers
from api.factories.numbers import FactoryNew, FactoryOld, Juristic, NationalId, Wrong, parse

NEW = "10180000125417"
PROVINCES = sorted(numbers.provinces())


def reason(text: str) -> str:
    found = parse(text)
    assert isinstance(found, Wrong), found
    assert found.th
    assert found.en
    return found.reason


@pytest.mark.parametrize(
    "text",
    [
        NEW,
        f'="{NEW}"',
        f'"=""{NEW}"""',
        f" {NEW}\n",
        "1018 0000 1254 17",
        "1-0-18-00001-2541-7",
        "1‑0–18—00001−2541-7",
        "๑๐๑๘๐๐๐๐๑๒๕๔๑๗",
        "１０１８００００１２５４１７",
        "10180000125417\u200b",
        "\ufeff1018\u00a00000\u202f125417",
        "’10180000125417",
    ],
)
def test_a_new_number_is_understood_however_it_is_written(text: str) -> None:
    found = parse(text)
    assert isinstance(found, FactoryNew)
    assert (found.normal, found.province, found.running, found.year) == (NEW, "18", 1, 2541)
    assert (found.issuer, found.estate) == ("1", False)


def test_every_single_wrong_digit_is_found() -> None:
    for place in range(14):
        for digit in "0123456789":
            if digit != NEW[place]:
                assert isinstance(parse(NEW[:place] + digit + NEW[place + 1 :]), Wrong)


def test_two_digits_in_the_wrong_order_are_found() -> None:
    # Luhn sees every transposition of neighbours but 09 and 90.
    for place in range(13):
        a, b = NEW[place], NEW[place + 1]
        if a != b and {a, b} != {"0", "9"}:
            swapped = NEW[:place] + b + a + NEW[place + 2 :]
            assert isinstance(parse(swapped), Wrong), swapped


@given(
    st.sampled_from("127"),
    st.sampled_from("023"),
    st.sampled_from(PROVINCES),
    st.integers(1, 99_999),
    st.integers(2482, 2580),
)
def test_a_number_made_with_its_check_digit_is_read_back(
    issuer: str, location: str, province: str, running: int, year: int
) -> None:
    head = f"{issuer}{location}{province}{running:05d}{year}"
    found = parse(head + numbers.new_check_digit(head))
    assert isinstance(found, FactoryNew)
    assert (found.province, found.running, found.year) == (province, running, year)
    assert found.estate == (location != "0")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10180000125418", "check_digit"),
        ("1018000012541", "check_digit"),  # 13 digits: a national ID that is none
        ("101800001254177", "length"),
        ("10990000125417", "province"),
        ("1018O000125417", "characters"),
        ("10180000125l17", "characters"),
        ("", "empty"),
        ("  \u200b ", "empty"),
        ("=", "empty"),
        ("-", "empty"),
        ("123", "length"),
    ],
)
def test_an_almost_right_new_number_is_told_which_check_it_fails(text: str, why: str) -> None:
    assert reason(text) == why


def test_a_year_of_the_common_era_is_no_buddhist_year() -> None:
    head = "1018000011998"
    assert reason(head + numbers.new_check_digit(head)) == "year"


@pytest.mark.parametrize(
    ("text", "normal", "category", "year"),
    [
        ("จ3-9(6)-100/51ปจ", "จ3-9(6)-100/51ปจ", "00906", 2551),
        (" จ ๓-๙ (๖) – ๑๐๐ / ๕๑ ปจ ", "จ3-9(6)-100/51ปจ", "00906", 2551),
        ("3-22(3)-1/41ชน", "3-22(3)-1/41ชน", "02203", 2541),
        ("3-22(03)-0001/2541ชน", "3-22(3)-1/41ชน", "02203", 2541),
        ("2-64-5/38", "2-64-5/38", "06400", 2538),  # Bangkok has no suffix
        ("3-107-1/60สป.", "3-107-1/60สป", "10700", 2560),
        ("３－９（６）－１００／５１ปจ", "3-9(6)-100/51ปจ", "00906", 2551),
        ("น.42(1)-14/2549-ญมพ.", "น.42(1)-14/2549-ญมพ", "04201", 2549),
        ("น. 42 (1) - 14/49 ญมพ", "น.42(1)-14/2549-ญมพ", "04201", 2549),
        ("น.3-22(3)-1/41ชน", "น.3-22(3)-1/41ชน", "02203", 2541),
    ],
)
def test_an_old_number_is_brought_to_its_normal_form(
    text: str, normal: str, category: str, year: int
) -> None:
    found = parse(text)
    assert isinstance(found, FactoryOld), found
    assert (found.normal, found.category, found.year) == (normal, category, year)
    assert parse(found.normal) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("4-9(6)-100/51ปจ", "class"),
        ("0-9-1/51", "class"),
        ("3-108-1/51", "category"),
        ("3-0-1/51", "category"),
        ("3-9-0/51", "running"),
        ("3-9-1/1998", "year"),
        ("3-9(6)-100", "form"),
        ("3-9(6)100/51", "form"),
        ("จ3-9(6)-100/5ปจ", "form"),
        ("j3-9(6)-100/51ปจ", "letters"),
        ("จ3-9(6)-100/51PJ", "letters"),
        ("กขค3-9-1/51", "letters"),
        ("3-9-1/51กขคง", "letters"),
        ("3-9(6)-100/51ปจ!", "characters"),
    ],
)
def test_an_almost_right_old_number_is_told_which_part_is_wrong(text: str, why: str) -> None:
    assert reason(text) == why


@given(
    st.sampled_from(["", "จ", "ข", "สข"]),
    st.integers(1, 3),
    st.integers(1, 107),
    st.one_of(st.none(), st.integers(1, 16)),
    st.integers(1, 9999),
    st.integers(0, 99),
    st.sampled_from(["", "ปจ", "สป", "อย"]),
)
def test_the_quick_reading_of_old_numbers_says_what_the_full_one_says(
    prefix: str, class_: int, main: int, sub: int | None, run: int, year: int, suffix: str
) -> None:
    text = f"{prefix}{class_}-{main}{f'({sub})' if sub else ''}-{run}/{year:02d}{suffix}"
    full = parse(text)
    assert isinstance(full, FactoryOld)
    assert numbers.quick_old(text) == (full.normal, str(full.licence_class), full.category)


@given(
    st.from_regex(r"[0-9]{2}(1[0-9]|99)[0-9]{5}2[3-7][0-9]{2}", fullmatch=True),
    st.integers(0, 9),
    st.sampled_from(['="{}"', "={}", '"{}"', "{}", '="{} "', '="{}']),
)
def test_the_quick_reading_of_new_numbers_says_what_the_full_one_says(
    head: str, off: int, written: str
) -> None:
    digits = head + str((int(numbers.new_check_digit(head)) + off) % 10)
    plain = written == '="{}"' and numbers.new_fault(digits) is None
    assert numbers.quick_new(written.format(digits)) == (digits if plain else "")


@pytest.mark.parametrize(
    "text", ["", '=""', '="๑0180000125417"', '="²0180000125417"', f'="{NEW}".']
)
def test_the_quick_reading_of_new_numbers_leaves_all_else_to_the_full_one(text: str) -> None:
    assert numbers.quick_new(text) == ""


def test_a_juristic_number_and_a_national_id_are_told_apart() -> None:
    assert parse("0-10-5-536-11201-4") == Juristic("0105536112014")
    assert parse("3-1006-00445-63-5") == NationalId("3100600445635")
    assert reason("0105536112015") == "check_digit"
    assert reason("3100600445636") == "check_digit"
    assert reason("9100600445635") == "first_digit"


def test_the_reason_for_a_wrong_national_id_does_not_repeat_it() -> None:
    found = parse("3100600445636")
    assert isinstance(found, Wrong)
    assert "3100600445636" not in found.th + found.en


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    found = parse(text)
    if not isinstance(found, Wrong):
        assert parse(found.normal) == found


def test_the_command_names_each_number_and_fails_if_one_is_wrong() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "api.cli", "number", f'="{NEW}"', "จ3-9(6)-100/51ปจ"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["factory_new", NEW, "factory_old", "จ3-9(6)-100/51ปจ"]
    wrong = subprocess.run(
        [sys.executable, "-m", "api.cli", "number", NEW, "10180000125418"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 1
    assert "factory_new" in wrong.stdout
    assert "check digit" in wrong.stdout
