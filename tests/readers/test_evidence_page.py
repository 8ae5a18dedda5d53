"""What people are told of a reading is what the code does."""

from __future__ import annotations

from typing import get_args

from api import handbook
from api.readers.model import POLICIES, Level
from api.readers.uses import page


def test_the_page_names_every_purpose_every_level_and_every_field_that_is_read() -> None:
    text = page.page()
    assert handbook.page("reader-evidence.md") == text, "run: make docs"
    assert set(page.PROVES) == set(get_args(Level))
    assert set(page.PURPOSE_EN) == set(POLICIES)
    for purpose, policy in POLICIES.items():
        (row,) = [line for line in text.splitlines() if f"`{purpose}`" in line]
        assert policy.th in row and f"{policy.keep.days:,} วัน" in row
        assert {f for f in page.FIELD_TH if f"`{f}`" in row} == policy.fields


def test_no_level_is_said_to_prove_who_is_there_or_what_they_may_do() -> None:
    for level, (_, not_th, proves, not_) in page.PROVES.items():
        assert not_th and not_, level
        assert "genuine" not in proves and "owner" not in proves, level
