"""The order of Thai names, what they are searched by, and whose they are."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.factories import names
from api.factories.model import PERSONS_FACTORY, public_name

# In the order of the Royal Society's dictionary: consonants first, marks last.
IN_ORDER = (
    "กก กกุธภัณฑ์ กง กฎ กบ กรรม กระ กระจก กล กลม กวาง กอ กะ กะทิ กัก กัน กา กาก ก้าง กาน การ กำ "
    "กำไร กิน กี่ กุ้ง กู เก เก็บ เกม แก แกง แก้ว โกง ใกล้ ไก่ ขน ขา ข้า ข้าว เขา แขก ไข่ คน ครู "
    "งู จาน ฉัน ช้าง ดาว ไทย น้ำ ปลา เพชร เพลา ไฟ มด ยา ร้อน เรือ ฤดู ลม ฦๅ ไว สวย หมู อาหาร ฮา"
)
DICTIONARY = IN_ORDER.split()


def test_names_sort_as_in_a_thai_dictionary() -> None:
    shuffled = sorted(DICTIONARY)
    keys = {word: names.sort_key(word).encode() for word in shuffled}
    assert sorted(shuffled, key=keys.__getitem__) == DICTIONARY


def test_plain_code_points_would_sort_otherwise() -> None:
    assert sorted(DICTIONARY) != DICTIONARY


def test_tone_marks_decide_only_between_equal_words() -> None:
    order = ["กา", "ก่า", "ก้า", "ก๊า", "ก๋า", "กาก", "ก้าง", "ไก", "ไก่", "ไกด์"]
    assert [x for _, x in sorted((names.sort_key(x), x) for x in order)] == order


def test_numbers_come_before_latin_before_thai() -> None:
    order = ["๑๒ ห้อง", "2 พี่น้อง", "Alpha", "beta", "กิจการ"]
    assert [x for _, x in sorted((names.sort_key(x), x) for x in order)] == order


@given(st.text(alphabet="กขคเแโไใาะิี่้๊๋็์ ab12", max_size=12))
def test_every_name_has_a_key_that_the_data_base_can_keep(name: str) -> None:
    key = names.sort_key(name)
    assert "\0" not in key
    assert len(key.encode()) < 600


def test_an_earlier_mark_weighs_more_than_a_later_one() -> None:
    for a, b in itertools.pairwise(["กากา", "กาก้า", "ก้ากา", "ก้าก้า"]):
        assert names.sort_key(a) < names.sort_key(b)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("น้ำแข็ง", "โรงน้ำแข็งตัวอย่าง"),
        ("นํ้าแข็ง", "โรงน้ำแข็งตัวอย่าง"),
        ("นำ้", "โรงนำ้ตาล"),
        ("เเก้ว", "โรงงานแก้ว"),
        ("abc co", "ABC CO., LTD."),
        ("ไทย พลาสติก", "บริษัท ไทยพลาสติก จำกัด"),
        ("๑๙๙๙", "ตัวอย่าง 1999"),
        ("น้ำ\u200bตาล", "โรงน้ำตาล"),
    ],
)
def test_a_name_is_found_however_its_part_is_typed(typed: str, stored: str) -> None:
    assert all(word in names.search_form(stored) for word in names.search_words(typed))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("บริษัท ตัวอย่าง จำกัด", "company"),
        ("ห้างหุ้นส่วนจำกัด ตัวอย่าง", "company"),
        ("หจก.ตัวอย่าง", "company"),
        ("SAMPLE CO., LTD.", "company"),
        ("สหกรณ์การเกษตรตัวอย่าง", "company"),
        ("นายตัวอย่าง ทดสอบ", "person"),
        ("นางสาวตัวอย่าง ห้างทอง", "person"),
        ("น.ส.ตัวอย่าง บริษัทดี", "person"),
        ("Mr. Sample Company", "person"),
        ("ตัวอย่าง ทดสอบ", "person"),  # in doubt protected
    ],
)
def test_a_persons_name_is_told_from_a_companys(name: str, kind: str) -> None:
    assert names.operator_kind(name) == kind


def test_the_public_name_hides_a_person_and_nothing_else() -> None:
    person = "นายตัวอย่าง ทดสอบ"
    assert public_name(person, person, "person") == PERSONS_FACTORY
    assert public_name("โรงสีนายตัวอย่างทดสอบ", person, "person") == PERSONS_FACTORY
    assert public_name("นางอื่น ตัวอย่าง", person, "person") == PERSONS_FACTORY
    assert public_name("โรงสีรุ่งเรือง", person, "person") == "โรงสีรุ่งเรือง"
    assert public_name("บริษัท ตัวอย่าง", "บริษัท ตัวอย่าง", "company") == "บริษัท ตัวอย่าง"
