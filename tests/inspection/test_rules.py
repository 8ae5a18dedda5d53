"""The rule engine: the vectors, their second evaluator, and what must hold for any JSON."""

from __future__ import annotations

import copy
import json
import random
import shutil
import subprocess
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.inspection.checklists import rule_language as lang
from api.inspection.checklists import rules
from api.inspection.checklists import standard as std

ROOT = Path(__file__).parents[2]
CHECKLIST = ROOT / "api/inspection/checklists/data/checklist-1.json"
VECTORS = json.loads((ROOT / "openapi/rule-vectors.json").read_text(encoding="utf-8"))
ONE = rules.compiled_1()
COMPILED = {
    "checklist-1": ONE,
    **{name: rules.compile(std.decode(json.dumps(s))) for name, s in VECTORS["standards"].items()},
}
FACTORY: dict[str, Any] = {
    "class": 3,
    "categories": ["00902", "10600"],
    "horsepower": 300,
    "workers": 100,
    "position": {"lat": 13.5, "lng": 100.5},
    "discharge_m3_day": 200,
    "registered": True,
    "visit_date": "2026-11-22",
}


def verdict(item: str, value: Any, facts: Mapping[str, Any] = FACTORY, **others: Any) -> Any:
    answers = {item: value, **others}
    return rules.evaluate_visit(ONE, facts, answers, [item])[item]


def observed(vector: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine says about a vector, in the form of its `expect`."""
    compiled, code = COMPILED[vector["standard"]], vector["item"]
    facts = dict(vector["subject"])
    if vector["visit_date"] is not None:
        facts["visit_date"] = vector["visit_date"]
    item = compiled.item(code)
    found = rules.evaluate_visit(compiled, facts, vector["answers"], [code]).get(code)
    breach = found and found.breach
    return {
        "applicable": item is not None and item.applies(facts),
        "shown": item is not None and item.shown(facts, vector["answers"]),
        "missing": code in rules.missing(compiled, facts, vector["answers"]),
        "outcome": found and found.outcome,
        "flags": sorted({flag.code for flag in found.flags}) if found else [],
        "breach": breach and {"limit": breach.limit, "severity": breach.severity},
    }


# -- vectors -------------------------------------------------------------------------------------


def test_python_gives_the_verdict_of_every_vector() -> None:
    wrong = [(v["name"], v["expect"], observed(v)) for v in VECTORS["vectors"]]
    assert [w for w in wrong if w[1] != w[2]] == []


def test_the_vectors_reach_every_operator_limit_flag_and_type_of_answer() -> None:
    text = json.dumps([VECTORS["standards"], json.loads(CHECKLIST.read_text(encoding="utf-8"))])
    for union, field in [
        (lang.Condition, "op"),
        (lang.Operand, "from"),
        (lang.Limit, "kind"),
        (std.AnswerType, "type"),
    ]:
        for kind in get_args(union):
            assert f'"{field}": "{kind.__struct_config__.tag}"' in text
    seen = {flag for v in VECTORS["vectors"] for flag in v["expect"]["flags"]}
    spoken = (ROOT / "openapi/rules.md").read_text(encoding="utf-8")
    assert seen == {
        *("item.unknown", "item.not_applicable", "item.hidden", "limit.noticed"),
        *("limit.not_evaluated", "value.wrong_type", "value.impossible", "value.na_not_allowed"),
        *("value.awaiting_unexpected", "value.incomplete", "value.empty", "value.too_long"),
        *("value.partial_date", "value.imprecise", "value.mock"),
    }
    assert all(f"`{flag}`" in spoken for flag in seen)
    assert {v["expect"]["outcome"] for v in VECTORS["vectors"]} == {None, *get_args(rules.Outcome)}
    assert len(VECTORS["vectors"]) >= 150


def test_every_limit_of_version_1_is_broken_by_some_vector() -> None:
    broken = {
        v["expect"]["breach"]["limit"]
        for v in VECTORS["vectors"]
        if v["standard"] == "checklist-1" and v["expect"]["breach"]
    }
    limits = {x.id for i in ONE.standard.items for x in i.limits if x.effect == "finding"}
    assert broken - {None} == limits


def in_javascript(vectors: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the second evaluator cannot run")
    file = folder / "vectors.json"
    file.write_text(json.dumps(vectors), encoding="utf-8")
    script = Path(__file__).with_name("rules.mjs")
    done = subprocess.run(
        [node, str(script), str(CHECKLIST), str(file)], capture_output=True, timeout=60, check=False
    )
    assert done.stdout, done.stderr.decode()
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_an_independent_evaluator_in_javascript_gives_the_same_verdicts(tmp_path: Path) -> None:
    result = in_javascript(VECTORS, tmp_path)
    assert result["wrong"] == []
    assert result["vectors"] == len(VECTORS["vectors"])


def test_the_javascript_evaluator_does_notice_a_wrong_verdict(tmp_path: Path) -> None:
    one = copy.deepcopy(VECTORS["vectors"][0])
    one["expect"]["outcome"] = "fail"
    assert len(in_javascript({**VECTORS, "vectors": [one]}, tmp_path)["wrong"]) == 1


ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 3.5, 7, 20, 20.5, 60, 100, 121, 500, 1e13, -1e300, 2**60),
    *("", " ", "na", "none", "pass", "fail", "ผ่าน", "3", "๒๕๖๙-๐๑-๓๑", "2026-02-30", "2025-11-22"),
    *("2025-11-21", "2024-02-29", "2569-01-01", "1899-01-01", "2027-01-01", "0000-00-00"),
    *([], [[]], {}, [None], {"awaiting": "laboratory"}, {"awaiting": "laboratory", "sample": "x"}),
    *({"year": 2025}, {"year": 2025, "month": 11}, {"year": 2026, "month": 2, "day": 29}),
    *({"lat": 13.5, "lng": 100.5}, {"lat": 13.52, "lng": 100.5, "accuracy_m": 250, "mock": True}),
    *([{"counted": 5, "reported": None}], {"what": "x", "counted": 9, "reported": 9}),
    *(
        [{"counted": -1, "reported": 3}, 4],
        [{"capacity_t_h": 12}],
        [{"name": "x", "hazard_type": "4"}],
    ),
    *([{"name": "x", "hazard_type": "2", "quantity": "มาก"}], {"sample_no": "1", "custody": [{}]}),
]


def random_vectors(seed: int, count: int) -> list[dict[str, Any]]:
    """Any value anywhere, under facts of which any may be missing or odd."""
    draw = random.Random(seed)
    codes = [*ONE.items, "Z99"]
    linked = ["F01", "G01", "H01", "A07", "H13"]
    vectors = []
    for n in range(count):
        facts = {k: v for k, v in FACTORY.items() if draw.random() < 0.9 and k != "visit_date"}
        if draw.random() < 0.3:
            facts[draw.choice(list(FACTORY))] = draw.choice(ODD)
        facts.pop("visit_date", None)
        code = draw.choice(codes)
        answers = {c: draw.choice(ODD) for c in linked if draw.random() < 0.4}
        answers[code] = draw.choice(ODD)
        vector = {
            "name": str(n),
            "standard": "checklist-1",
            "subject": facts,
            "visit_date": draw.choice(["2026-11-22", "2025-02-28", "2026-02-30", None]),
            "answers": answers,
            "item": code,
        }
        vectors.append({**vector, "expect": observed(vector)})
    return vectors


def test_both_evaluators_agree_on_two_thousand_random_answers(tmp_path: Path) -> None:
    vectors = random_vectors(seed=20261122, count=2000)
    outcomes = {v["expect"]["outcome"] for v in vectors}
    assert outcomes == {None, *get_args(rules.Outcome)}
    assert in_javascript({"standards": {}, "vectors": vectors}, tmp_path)["wrong"] == []


# -- what a finding says -------------------------------------------------------------------------


def finding(item: str, value: Any, facts: Mapping[str, Any] = FACTORY) -> Any:
    compiled = ONE.item(item)
    assert compiled is not None
    return rules.finding_of(compiled, verdict(item, value, facts))


def test_horsepower_over_the_step_is_a_critical_expansion_under_section_18() -> None:
    found = finding("A06", 400)
    assert (found.limit, found.severity, found.critical) == ("A06.s18", "critical", True)
    assert (found.legal_ref, found.ref_status) == ("พ.ร.บ.โรงงาน ม.18", "act_text")
    assert found.penalty == "ม.52"
    assert found.facts == {
        "value": 400,
        "limit": 400,
        "unit": "HP",
        "base": 300,
        "increase": 100,
        "step": 100,
    }


def test_horsepower_below_the_step_is_a_minor_matter_of_notification_under_section_19() -> None:
    found = finding("A06", 399)
    assert (found.limit, found.severity, found.critical) == ("A06.s19", "minor", False)
    assert found.legal_ref == "พ.ร.บ.โรงงาน ม.19"
    assert found.penalty == "ม.51 ≤20,000"


def test_an_item_failed_outright_carries_its_own_reference_and_severity() -> None:
    found = finding("E08", "fail")
    assert found.limit is None
    assert (found.critical, found.ref_status, found.basis) == (True, "instrument_found", "law")
    assert "ข้อ 5(3)" in found.legal_ref


def test_an_effluent_finding_rests_on_a_recalled_reference() -> None:
    found = finding("H04", 10.2)
    assert found.ref_status == "recalled"
    assert found.facts == {"value": 10.2, "limit": 9.0, "side": "max", "unit": "pH"}


def test_an_officer_who_did_not_show_the_card_is_no_finding_against_the_factory() -> None:
    assert verdict("O07", "fail").outcome == "fail"
    assert finding("O07", "fail") is None


def test_what_passes_or_waits_is_no_finding() -> None:
    assert finding("E08", "pass") is None
    assert finding("H05", {"awaiting": "laboratory", "sample": "W-1"}) is None


def test_an_impossible_value_is_no_finding_but_flagged() -> None:
    assert verdict("H04", 72).outcome == "unreadable"
    assert [f.code for f in verdict("H04", 72).flags] == ["value.impossible"]
    assert finding("H04", 72) is None


def test_a_drill_never_held_is_a_finding_that_says_so() -> None:
    assert finding("E06", "none").facts == {"none": True}


def test_the_worst_line_counts_are_told_in_a_comparison() -> None:
    lines = [
        {"what": "workers", "counted": 120, "reported": 80, "unit": "คน"},
        {"what": "waste", "counted": 9, "reported": None, "unit": "t"},
    ]
    facts = finding("N02", lines).facts
    assert (facts["what"], facts["value"], facts["limit"], facts["lines"]) == (
        "workers",
        120,
        80,
        2,
    )


# -- a whole visit -------------------------------------------------------------------------------


def test_only_judges_the_codes_asked_for_but_sees_all_answers() -> None:
    answers = {"H01": "na", "H05": 999, "E08": "pass"}
    full = rules.evaluate_visit(ONE, FACTORY, answers)
    part = rules.evaluate_visit(ONE, FACTORY, answers, ["H05"])
    assert part == {"H05": full["H05"]}
    assert [flag.code for flag in part["H05"].flags] == ["item.hidden"]


def test_an_answer_that_others_depend_on_names_them() -> None:
    assert ONE.dependents["F01"] == {"F02", "F03", "F04", "F05", "F06"}
    assert "L01" in ONE.dependents["A07"]


def test_nothing_is_missing_once_every_shown_item_is_answered() -> None:
    answers: dict[str, Any] = {"F01": [], "G01": [], "H01": "na"}
    for code in rules.missing(ONE, FACTORY, answers):
        answers[code] = "whatever"
    assert rules.missing(ONE, FACTORY, answers) == []
    assert not {"F02", "G05", "H05", "P03", "J99"} & set(answers)


def test_an_item_that_does_not_apply_is_never_missing() -> None:
    asked = set(rules.missing(ONE, {"class": 1, "categories": []}, {}))
    assert asked
    assert asked <= set(ONE.applicable({"class": 1, "categories": []}))
    assert "A06" not in asked


def test_a_class_that_is_true_is_not_remembered_as_class_1() -> None:
    first = ONE.applicable({"class": 1, "categories": []})
    assert ONE.applicable({"class": True, "categories": []}) != []
    assert ONE.applicable({"class": 1, "categories": []}) == first


def test_a_faulty_standard_is_not_compiled() -> None:
    broken = msgspec.structs.replace(ONE.standard, sections=())
    with pytest.raises(ValueError, match="there is no section A"):
        rules.compile(broken)


def test_the_same_content_is_compiled_once() -> None:
    assert rules.compile(std.decode(std.encode(ONE.standard))) is ONE


def test_a_visit_of_120_answers_takes_a_fraction_of_a_millisecond() -> None:
    answers = {code: sensible(item.item) for code, item in ONE.items.items()}
    assert len(answers) >= 120
    best = min(cpu_of(lambda: rules.evaluate_visit(ONE, FACTORY, answers)) for _ in range(5))
    assert best < 0.0015  # 0.0003 on the machine it was written on; room for a slow one


def sensible(item: std.Item) -> Any:
    values: dict[type, Any] = {
        std.Number: 7,
        std.FreeText: "ปกติ",
        std.Date: "2026-03-01",
        std.Choice: "1",
        std.Position: {"lat": 13.5001, "lng": 100.5, "accuracy_m": 5},
        std.Table: [{"name": "สารตัวอย่าง", "hazard_type": "3", "capacity_t_h": 12}],
        std.Sample: {"sample_no": "W-1"},
        std.Comparison: [{"what": "workers", "counted": 100, "reported": 98, "unit": "คน"}],
    }
    return values.get(type(item.answer), "pass")


def cpu_of(act: Any, times: int = 100) -> float:
    start = time.process_time()
    for _ in range(times):
        act()
    return (time.process_time() - start) / times


# -- properties ----------------------------------------------------------------------------------

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["na", "none", "pass", "fail", "2025-11-22", "laboratory"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(["awaiting", "lat", "lng", "year", "month", "counted", "reported"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
subjects = st.dictionaries(st.sampled_from(list(FACTORY)), anything) | st.just(FACTORY)
codes = st.sampled_from([*ONE.items, "Z99", ""])


@settings(max_examples=150, deadline=None)
@given(subjects, st.dictionaries(codes, anything, max_size=12))
def test_no_json_makes_the_engine_raise(facts: dict[str, Any], answers: dict[str, Any]) -> None:
    before = repr((facts, answers))
    for code, found in rules.evaluate_visit(ONE, facts, answers).items():
        assert found.outcome in get_args(rules.Outcome)
        assert (found.breach is not None) == (found.outcome == "fail")
        item = ONE.item(code)
        if item is not None:
            rules.finding_of(item, found)
            assert rules.evaluate_answer(item, answers[code], facts, answers) == found
    rules.missing(ONE, facts, answers)
    assert repr((facts, answers)) == before


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(codes, anything, max_size=12), st.randoms())
def test_the_order_of_answers_and_asking_again_change_nothing(
    answers: dict[str, Any], shuffler: random.Random
) -> None:
    keys = list(answers)
    shuffler.shuffle(keys)
    once = rules.evaluate_visit(ONE, FACTORY, answers)
    again = rules.evaluate_visit(ONE, FACTORY, {key: answers[key] for key in keys})
    assert repr(sorted(once.items(), key=repr)) == repr(sorted(again.items(), key=repr))


RISING = ["H05", "H06", "H07", "H08", "H09", "H12", "H13", "K01", "K02", "K03"]
SEVERITY = {None: 0, "minor": 1, "major": 2, "critical": 3}


@given(st.sampled_from(RISING), st.floats(0, 80), st.floats(0, 80))
def test_more_of_a_pollutant_is_never_better(item: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    if verdict(item, less).outcome == "fail":
        assert verdict(item, more).outcome == "fail"


@given(st.floats(0, 12_000), st.floats(0, 12_000), st.floats(0, 5_000))
def test_more_horsepower_is_never_milder(one: float, other: float, licensed: float) -> None:
    facts = {**FACTORY, "horsepower": licensed}
    breaches = [verdict("A06", hp, facts).breach for hp in sorted((one, other))]
    less, more = (SEVERITY[b.severity if b else None] for b in breaches)
    assert less <= more


@given(st.integers(0, 5000), st.integers(0, 200), st.integers(0, 200))
def test_more_toilets_are_never_worse(workers: int, one: int, other: int) -> None:
    fewer, more = sorted((one, other))
    if verdict("L01", more, A07=workers).outcome == "fail":
        assert verdict("L01", fewer, A07=workers).outcome == "fail"


@given(st.dates(min_value=date(1990, 1, 1), max_value=date(2026, 11, 22)))
def test_an_older_drill_is_never_better(day: date) -> None:
    outcome = verdict("E06", day.isoformat()).outcome
    assert outcome == ("pass" if day.isoformat() >= "2025-11-22" else "fail")
