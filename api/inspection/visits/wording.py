"""Answers, outcomes and findings in words, for documents.

An answer may be anything that a phone sent (bad data is kept), so nothing here raises.
"""

from __future__ import annotations

from typing import Any

import msgspec

from api.clock import BUDDHIST_ERA
from api.inspection.checklists import standard as std
from api.inspection.checklists.rule_language import Text

Words = dict[str, tuple[str, str]]
PASS_FAIL: Words = {
    "pass": ("เป็นไปตามข้อกำหนด", "complies"),
    "fail": ("ไม่เป็นไปตามข้อกำหนด", "does not comply"),
    "na": ("ไม่เกี่ยวข้อง", "not applicable"),
    "none": ("ไม่มี", "none"),
}
ITEM_OUTCOME: Words = {
    "pass": ("ผ่าน", "pass"),
    "fail": ("ไม่ผ่าน", "fail"),
    "not_applicable": ("ไม่เกี่ยวข้อง", "n.a."),
    "recorded": ("บันทึก", "recorded"),
    "pending": ("รอผล", "pending"),
    "unreadable": ("อ่านไม่ได้", "unreadable"),
}
VISIT_OUTCOME: Words = {
    "inspected": ("ตรวจครบถ้วน", "inspected"),
    "partly": ("ตรวจได้บางส่วน", "partly inspected"),
    "refused_entry": ("ไม่ยินยอมให้เข้าตรวจ", "entry refused"),
    "closed": ("โรงงานปิด", "closed"),
    "not_found": ("ไม่พบโรงงาน", "not found"),
    "moved": ("ย้ายสถานที่แล้ว", "moved"),
    "unsafe": ("ไม่ปลอดภัยที่จะเข้าตรวจ", "unsafe to enter"),
}
PRESENCE: Words = {
    "signed": ("ลงลายมือชื่อแล้ว", "signed"),
    "refused": ("ไม่ยินยอมลงลายมือชื่อ", "refused to sign"),
    "absent": ("ไม่อยู่ในขณะตรวจ", "absent"),
}
SEVERITY: Words = {
    "minor": ("เล็กน้อย", "minor"),
    "major": ("สำคัญ", "major"),
    "critical": ("ร้ายแรง", "critical"),
}
FINDING_STATE: Words = {
    "needs_confirmation": ("รอเจ้าหน้าที่ยืนยันข้อกฎหมาย", "awaits confirmation of its law"),
    "open": ("ยังไม่ได้แก้ไข", "open"),
    "withdrawn": ("ถอนแล้ว", "withdrawn"),
    "resolved": ("แก้ไขแล้ว", "resolved"),
}


def word(words: Words, code: str | None, language: str) -> str:
    """The word for a code; the code itself where it has none."""
    found = words.get(code or "")
    return (code or "") if found is None else found[language == "en"]


def text(value: Text, language: str) -> str:
    return value.en if language == "en" else value.th


def answer(kind: std.AnswerType, value: Any, language: str) -> str:
    """What an officer answered, as one would write it down."""
    if value is None:
        return ""
    if isinstance(value, str) and value in PASS_FAIL and not isinstance(kind, std.FreeText):
        return word(PASS_FAIL, value, language)
    if isinstance(value, dict) and value.get("awaiting") == "laboratory":
        return "awaits the laboratory" if language == "en" else "รอผลห้องปฏิบัติการ"
    try:
        found = _answer(kind, value, language)
    except (KeyError, TypeError, ValueError, AttributeError):
        found = None
    return _plain(value) if found is None else found


def _answer(kind: std.AnswerType, value: Any, language: str) -> str | None:
    match kind:
        case std.Number(unit=unit) if isinstance(value, int | float):
            return f"{_number(value)} {unit}".strip()
        case std.Date():
            return _date(value, language)
        case std.Choice(options=options):
            return next(text(o.label, language) for o in options if o.code == value)
        case std.Table(columns=columns) if isinstance(value, list):
            labels = {c.key: (text(c.label, language), c.unit) for c in columns}
            return "; ".join(_row(row, labels) for row in value)
        case std.Position():
            return f"{value['lat']:.5f}, {value['lng']:.5f}"
        case std.Sample():
            return " · ".join(str(value[k]) for k in ("sample_no", "point", "laboratory"))
        case std.Comparison() if isinstance(value, list):
            return "; ".join(_line(line, language) for line in value)
    return None


def _row(row: dict[str, Any], labels: dict[str, tuple[str, str]]) -> str:
    parts = []
    for key, value in row.items():
        label, unit = labels.get(key, (key, ""))
        parts.append(f"{label} {_plain(value)} {unit}".strip())
    return ", ".join(parts)


def _line(line: dict[str, Any], language: str) -> str:
    counted, reported, unit = line["counted"], line["reported"], line.get("unit", "")
    if language == "en":
        told = "not reported" if reported is None else f"reported {_plain(reported)}"
        return f"{line['what']}: counted {_plain(counted)}, {told} {unit}".strip()
    told = "ไม่ได้รายงาน" if reported is None else f"รายงาน {_plain(reported)}"
    return f"{line['what']}: นับได้ {_plain(counted)} {told} {unit}".strip()


_MONTHS_TH = (
    "ม.ค.",
    "ก.พ.",
    "มี.ค.",
    "เม.ย.",
    "พ.ค.",
    "มิ.ย.",
    "ก.ค.",
    "ส.ค.",
    "ก.ย.",
    "ต.ค.",
    "พ.ย.",
    "ธ.ค.",
)
_MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _date(value: Any, language: str) -> str:
    """Whole or partial; nothing is invented for the part that is unknown."""
    if isinstance(value, str):
        year, month, day = map(int, value.split("-"))
        parts: tuple[int | None, ...] = (year, month, day)
    else:
        parts = (value["year"], value.get("month"), value.get("day"))
    year, english = int(parts[0] or 0), language == "en"
    month_name = (_MONTHS_EN if english else _MONTHS_TH)[parts[1] - 1] if parts[1] else None
    shown = (parts[2], month_name, year if english else year + BUDDHIST_ERA)
    return " ".join(str(part) for part in shown if part is not None)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value)
    return msgspec.json.encode(value).decode()
