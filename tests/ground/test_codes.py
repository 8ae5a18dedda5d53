"""The verify code: read aloud, typed on a phone, never guessed."""

from __future__ import annotations

import pytest

from api import codes


@pytest.fixture(scope="module")
def code() -> str:
    return codes.new()


def test_a_code_is_read_in_any_spelling_a_person_uses() -> None:
    code = "0110" + codes.new()[4:15]
    code += codes.ALPHABET[codes._check([codes.ALPHABET.index(c) for c in code])]
    shown = codes.shown(code)
    assert len(shown.split("-")) == 4
    for typed in (shown, code, shown.lower(), f"  {shown.replace('-', ' ')} "):
        assert codes.read(typed) == code
    assert codes.read("OIL0" + shown[4:]) is None or code.startswith("0110")
    assert codes.read("oiIo" + shown[4:].lower()) == code
    assert codes.read("0lL0" + shown[4:]) == code


def test_every_single_typing_error_is_noticed(code: str) -> None:
    for at in range(codes.LENGTH):
        for wrong in codes.ALPHABET:
            typed = code[:at] + wrong + code[at + 1 :]
            assert (codes.read(typed) == code) == (wrong == code[at]), (code, at, wrong)


def test_any_two_swapped_characters_are_noticed(code: str) -> None:
    for a in range(codes.LENGTH):
        for b in range(a + 1, codes.LENGTH):
            if code[a] != code[b]:
                swapped = list(code)
                swapped[a], swapped[b] = code[b], code[a]
                assert codes.read("".join(swapped)) is None, (code, a, b)


@pytest.mark.parametrize("typed", ["", "0", "U" * 16, "ก" * 16, "0" * 17, "0" * 400, "\0" * 16])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert codes.read(typed) is None


def test_codes_do_not_repeat() -> None:
    assert len({codes.new() for _ in range(2000)}) == 2000
