"""What the officer reads: what happened, and what to do now. Nothing of the card but its shape."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import reader_bridge
from reader_bridge.chain.store import Damaged, NotWritten
from reader_bridge.device.folder import Unusable
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


def test_nothing_that_is_wrong_with_a_pc_is_told_in_english_first() -> None:
    """Every sentence of `Unusable` and `Over`, as the source has it."""
    told = {"Unusable", "Over", "Unknown", "NoKey", "Running", "Refused", "ClickException"}
    found = 0
    for path in sorted(Path(reader_bridge.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            if (name or getattr(node.func, "id", "")) not in told:
                continue
            first = node.args[0]
            parts = first.values if isinstance(first, ast.JoinedStr) else [first]
            words = [str(p.value) for p in parts if isinstance(p, ast.Constant)]
            if words:
                found += 1
                assert re.match("[^a-zA-Z]*[ก-๛]", words[0]), f"{path.name}: {words[0]}"
    assert found > 15


@pytest.mark.parametrize(
    "error", [Damaged("journal.sqlite", "cut"), NotWritten("journal.sqlite", OSError("full"))]
)
def test_a_damaged_journal_and_a_full_disk_are_told_in_thai_with_what_to_do(
    error: Unusable,
) -> None:
    assert re.match("[ก-๛ ]+กรุณา", str(error)) and str(error).count("journal.sqlite") == 1
