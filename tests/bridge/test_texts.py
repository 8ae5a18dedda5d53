"""What the officer reads: what happened, and what to do now. Nothing of the card but its shape."""

from __future__ import annotations

import re

import pytest

from reader_bridge.fields import Address, CardText, Fault, Name, PartialDate
from reader_bridge.texts import FAULT, fault, masked


@pytest.mark.parametrize("which", list(Fault))
def test_no_fault_is_told_without_what_to_do_now_in_thai_and_in_english(which: Fault) -> None:
    thai, english = FAULT[which]
    what, _, do = thai.partition("กรุณา")
    assert what.strip() and do.strip(), "what happened, and a request"
    assert all(part.strip() for part in english.split(";")) and ";" in english
    assert re.search("[a-z]", thai) is None and re.search("[ก-๛]", english) is None
    assert fault(which).startswith(thai)


def test_a_masked_reading_shows_no_whole_value_of_the_card() -> None:
    text = CardText(
        cid="1999900100018",
        name_th=Name(prefix="นาย", first="ตัวอย่าง", last="สมมติ"),
        name_en=Name(prefix="Mr.", first="Sample", last="Person"),
        birth=PartialDate(1958, 2, 2),
        address=Address(house="99/9", road="ถนนตัวอย่าง", province="จังหวัดสมุทรปราการ"),
        issuer_code="9999999999999",
        laser_no="ZZ9000000001",
    )
    shown = "\n".join(masked(text))
    for value in ("1999900100018", "ตัวอย่าง", "สมมติ", "Sample", "Person", "1958", "99/9", "ZZ9"):
        assert value not in shown
    assert sum(character.isdigit() for character in masked(text)[0]) == 3
