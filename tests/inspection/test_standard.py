"""Version 1 of the standard: complete, honest about its sources, small enough for a phone."""

from __future__ import annotations

import gzip
import json
import string
from pathlib import Path

import msgspec
import pytest

from api.inspection.checklists import rule_language as lang
from api.inspection.checklists import standard as std

ROOT = Path(__file__).parents[2]
VERSION_1 = "5eed3123ce3d1229f55ba02b7fd4e565e3b3694cf066812b31242955afa68c39"
STANDARD = std.load_standard_1()
BY_CODE = {item.code: item for item in STANDARD.items}


def as_json() -> dict[str, object]:
    text = (ROOT / "api/inspection/checklists/data/checklist-1.json").read_text(encoding="utf-8")
    loaded: dict[str, object] = json.loads(text)
    return loaded


def test_the_standard_has_125_items_in_sections_a_to_p() -> None:
    assert len(STANDARD.items) == len(BY_CODE) == 125
    assert [s.code for s in STANDARD.sections] == list(string.ascii_uppercase[:16])
    sizes = {s.code: sum(i.section == s.code for i in STANDARD.items) for s in STANDARD.sections}
    assert sizes == dict(
        zip("ABCDEFGHIJKLMNOP", [17, 11, 8, 4, 8, 7, 9, 13, 8, 9, 5, 4, 4, 6, 8, 4], strict=True)
    )


def test_items_stand_in_the_order_of_their_codes_and_sections() -> None:
    codes = [item.code for item in STANDARD.items]
    assert codes == sorted(codes)
    assert all(item.code.startswith(item.section) for item in STANDARD.items)


def test_nothing_in_version_1_is_at_fault() -> None:
    assert std.faults(STANDARD) == []


def thai(text: str) -> bool:
    return any("\u0e00" <= letter <= "\u0e7f" for letter in text)


def test_every_item_speaks_thai_and_english() -> None:
    for item in STANDARD.items:
        assert thai(item.text.th), item.code
        assert set(item.text.en) & set(string.ascii_letters), item.code


def test_every_item_has_guidance_for_the_first_day_marked_as_a_draft() -> None:
    assert STANDARD.guidance_draft
    for item in STANDARD.items:
        assert thai(item.guidance.th), item.code
        assert len(item.guidance.th) >= 20, item.code
        assert len(item.guidance.en) >= 20, item.code
    assert len({item.guidance.th for item in STANDARD.items}) == 125


def test_every_item_names_its_law_and_how_sure_the_reference_is() -> None:
    by_status = {"act_text": 0, "instrument_found": 0, "recalled": 0}
    for item in STANDARD.items:
        assert item.legal.text, item.code
        by_status[item.legal.status] += 1
    assert by_status == {"act_text": 30, "instrument_found": 45, "recalled": 50}


def test_a_limit_from_memory_is_marked_recalled_even_where_its_instrument_is_known() -> None:
    for code, limit_id in [("K01", "K01.twa"), ("K03", "K03.light"), ("H11", "H11.flow")]:
        item = BY_CODE[code]
        limit = next(limit for limit in item.limits if limit.id == limit_id)
        assert item.legal.status == "instrument_found"
        assert limit.legal is not None
        assert limit.legal.status == "recalled"


def test_every_exception_by_category_is_marked_recalled() -> None:
    exceptions = [
        exception
        for item in STANDARD.items
        for limit in item.limits
        if isinstance(limit, lang.Range)
        for exception in limit.exceptions
    ]
    assert len(exceptions) == 2
    assert all(e.legal is not None and e.legal.status == "recalled" for e in exceptions)


def test_at_least_twenty_items_have_an_executable_limit() -> None:
    findings = {
        item.code
        for item in STANDARD.items
        if any(limit.effect == "finding" for limit in item.limits)
    }
    assert findings == {
        *("A06", "A17", "B02", "B08", "B09", "C05", "E06", "F02", "J09", "K01", "K02", "K03"),
        *("H04", "H05", "H06", "H07", "H08", "H09", "H12", "H13", "K05", "L01", "N02"),
    }
    flags = {item.code for item in STANDARD.items if item.limits} - findings
    assert flags == {"A07", "G02", "G03", "G04", "H11"}


def test_the_steps_of_section_18_are_those_of_the_act() -> None:
    limit = BY_CODE["A06"].limits[0]
    assert isinstance(limit, lang.Increase)
    assert [(step.up_to, step.value) for step in limit.steps] == [
        (100, 50),
        (500, 100),
        (1000, 200),
        (2000, 300),
        (3000, 400),
    ]
    assert limit.above == 500
    assert (limit.legal and limit.legal.status) == "act_text"


def test_critical_is_what_the_checklist_calls_critical() -> None:
    assert sum(item.critical for item in STANDARD.items) == 67
    assert all(item.critical == (item.severity == "critical") for item in STANDARD.items)


def test_only_complaints_are_confidential() -> None:
    assert [item.code for item in STANDARD.items if item.confidential] == ["O06"]


def test_the_officers_own_duties_are_no_breach_of_the_factory() -> None:
    assert {i.code for i in STANDARD.items if i.legal.basis == "officer"} == {"H10", "O07"}


def test_labour_and_hazardous_substance_law_is_told_from_the_factory_act() -> None:
    other = {item.code for item in STANDARD.items if item.legal.basis == "other_law"}
    assert {"L02", "L03", "G03", "G04"} <= other
    assert "A06" not in other


def test_category_restricted_and_listed_items_are_told_apart() -> None:
    assert BY_CODE["J05"].applies_to.categories == ("101", "105", "106")
    assert BY_CODE["J09"].applies_to.categories == ("101", "105", "106")
    listed = {item.code for item in STANDARD.items if item.applies_to.listed}
    assert listed == {
        *("G09", "H11", "H12", "H13", "I04", "I05", "I06"),
        *("M01", "M02", "M03", "N03", "P01", "P02"),
    }
    for code in listed:
        answer = BY_CODE[code].answer
        assert isinstance(answer, std.PassFailNa) or getattr(answer, "na", False), code


def test_a_date_that_can_be_lacking_altogether_can_say_so() -> None:
    dates = [i.answer for i in STANDARD.items if isinstance(i.answer, std.Date)]
    assert len(dates) == 3
    assert all(answer.none for answer in dates)


def test_an_unknown_field_is_refused() -> None:
    data = as_json()
    data["items"][0]["sevrity"] = "minor"  # type: ignore[index]
    with pytest.raises(msgspec.ValidationError, match="sevrity"):
        std.decode(json.dumps(data))


def test_an_unknown_operator_is_refused() -> None:
    data = as_json()
    data["items"][0]["show_when"] = {"op": "eval", "of": "1"}  # type: ignore[index]
    with pytest.raises(msgspec.ValidationError, match="eval"):
        std.decode(json.dumps(data))


def test_what_a_phone_receives_decodes_to_the_same_standard() -> None:
    assert std.decode(std.encode(STANDARD)) == STANDARD


def test_the_standard_fits_a_phones_pack() -> None:
    assert len(gzip.compress(std.encode(STANDARD), 6)) < 30_000


def test_the_content_of_version_1_never_changes_again() -> None:
    assert std.content_hash(STANDARD) == VERSION_1


def test_the_hash_does_not_mind_layout_but_minds_a_limit() -> None:
    data = as_json()
    reordered = dict(reversed(list(data.items())))
    assert std.content_hash(std.decode(json.dumps(reordered))) == VERSION_1
    changed = json.dumps(data).replace('"max": 120', '"max": 121')
    assert std.content_hash(std.decode(changed)) != VERSION_1


def test_the_committed_schema_is_that_of_the_structs() -> None:
    committed = json.loads((ROOT / "openapi/rules.schema.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(std.schema()))


def test_the_standard_and_the_vectors_obey_the_published_schema() -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    schema = json.loads((ROOT / "openapi/rules.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema_rs.validator_for(schema)
    data = as_json()
    validator.validate(data)
    vectors = json.loads((ROOT / "openapi/rule-vectors.json").read_text(encoding="utf-8"))
    validator.validate(vectors["standards"]["operators"])
    data["items"][5]["limits"][0]["kind"] = "formula"  # type: ignore[index]
    assert not validator.is_valid(data)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"section": "Z"}, "A01: there is no section Z"),
        ({"code": "A02"}, "A02 occurs twice"),
        ({"severity": "critical"}, "A01: critical and severity disagree"),
        ({"applies_to": {"classes": [4]}}, "A01: classes are 1, 2 and 3"),
        ({"show_when": {"op": "answered", "item": "Q1"}}, "A01: there is no item Q1"),
        (
            {"limits": [{"kind": "range", "id": "x", "max": 1}]},
            "A01: x does not suit the type of answer",
        ),
        (
            {
                "answer": {"type": "number", "unit": "m", "lowest": 0, "highest": 9},
                "limits": [{"kind": "difference", "id": "x", "tolerance_percent": 5}],
            },
            "A01: x needs a base on a number, and only there",
        ),
        (
            {
                "answer": {"type": "number", "unit": "m", "lowest": 0, "highest": 9},
                "limits": [
                    {
                        "kind": "increase",
                        "id": "x",
                        "base": {"from": "fact", "name": "workers"},
                        "steps": [{"up_to": 9, "value": 1}, {"up_to": 8, "value": 1}],
                        "above": 1,
                    }
                ],
            },
            "A01: the steps of x must rise",
        ),
        (
            {
                "answer": {"type": "date"},
                "limits": [{"kind": "age", "id": "x", "max_months": -1}],
            },
            "A01: the months of x are out of range",
        ),
    ],
)
def test_a_new_version_is_told_what_is_wrong_with_it(change: dict[str, object], fault: str) -> None:
    data = as_json()
    data["items"][0].update(change)  # type: ignore[index]
    assert fault in std.faults(std.decode(json.dumps(data)))
