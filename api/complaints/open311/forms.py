"""The forms and queries that programs send by Open311, taken apart; pure.

What is odd is kept, and flagged; only what cannot be understood is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from api.complaints.categories import MOST_TEXT, Category, Question
from api.complaints.model import Channel, Flag
from api.complaints.open311.format import Refused
from api.complaints.views import Report
from api.factories import earth

SPAN: Final = timedelta(days=90)
MOST_DESCRIPTION: Final = 4000
_ATTRIBUTE: Final = re.compile(r"attribute\[([^\[\]]{1,60})\](?:\[\d{0,3}\])?")
_YES: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
HAPPENED: Final = "happened_at"
"""The attribute of every service that says when it was; the only one of type datetime."""

Form = Mapping[str, Sequence[str]]
"""Fields of a form, or of a query, each with all its values."""


# --- a new request --------------------------------------------------------------------------------


def report(form: Form, category: Category, secret: str, client: UUID) -> tuple[Report, list[Flag]]:
    """A form as the intake takes it, and what is odd about it. Raises `Refused`."""
    lat, lng = _position(form)
    answers, happened = _answers(form, category)
    described = one(form, "description")
    if len(described) > MOST_DESCRIPTION:
        raise Refused(400, "description ยาวเกินไป", "description: at most 4000 characters")
    odd = []
    if media := one(form, "media_url"):
        # Never fetched, never shown to the public: an address of a stranger's choosing.
        described += f"\n\nmedia_url: {media[:2000]}"
        odd.append(Flag("media.not_fetched"))
    address = one(form, "address_string")
    if address_id := one(form, "address_id"):
        address = f"{address} [address_id {address_id}]".strip()
    device = one(form, "device_id") or one(form, "account_id")
    contact = {
        "name": f"{one(form, 'first_name')} {one(form, 'last_name')}".strip(),
        "phone": one(form, "phone"),
        "email": one(form, "email"),
    }
    told = {
        "secret": secret,
        "category": category.code,
        "description": described,
        "answers": answers,
        "happened_at": happened,
        "place": {"lat": lat, "lng": lng, "address": address},
        "contact": contact if any(contact.values()) else None,
        "channel": Channel.open311,
        "device": hashlib.sha256(f"{client}:{device}".encode()).hexdigest() if device else None,
    }
    try:
        return msgspec.convert(told, Report), odd
    except msgspec.ValidationError as error:
        raise Refused(400, "ข้อมูลไม่ถูกต้อง", f"not understood: {error}") from None


def names_somebody(form: Form) -> bool:
    """Whether the form itself tells its sender from another with the same words."""
    who = ("first_name", "last_name", "phone", "email", "device_id", "account_id")
    return any(one(form, field) for field in who)


def _position(form: Form) -> tuple[float | None, float | None]:
    lat, lng = one(form, "lat"), one(form, "long")
    if not lat and not lng:
        if not one(form, "address_string") and not one(form, "address_id"):
            raise Refused(
                400,
                "ต้องระบุ lat และ long หรือ address_string",
                "lat and long, address_string or address_id must be provided",
            )
        return None, None
    try:
        found = float(lat), float(lng)
        earth.point(*found)
    except (ValueError, OverflowError):
        found = (91.0, 181.0)
    if not (abs(found[0]) <= 90 and abs(found[1]) <= 180):
        raise Refused(400, "lat หรือ long ไม่ถูกต้อง", "lat and long must both be degrees (WGS 84)")
    return found


def _answers(form: Form, category: Category) -> tuple[dict[str, Any], datetime | None]:
    """What is odd is kept, and flagged by the intake; what is far too much is refused."""
    given: dict[str, list[str]] = {}
    for name, values in form.items():
        if found := _ATTRIBUTE.fullmatch(name):
            given.setdefault(found[1], []).extend(v for v in values if v)
    given = {code: values for code, values in given.items() if values}
    if len(given) > 40 or any(len(v) > MOST_TEXT for vs in given.values() for v in vs):
        raise Refused(400, "attribute มากหรือยาวเกินไป", "too many or too long attributes")
    if any(len(values) > 100 or "\0" in "".join(values) for values in given.values()):
        raise Refused(400, "attribute ไม่ถูกต้อง", "attributes: too many values, or NUL")
    happened = None
    if HAPPENED in given:
        try:
            happened = moment(given[HAPPENED][0], HAPPENED)
            del given[HAPPENED]
        except Refused:
            pass  # an unknown answer is kept as it came
    questions = {question.code: question for question in category.questions}
    return {code: _value(questions.get(code), vs) for code, vs in given.items()}, happened


def _value(question: Question | None, values: list[str]) -> Any:
    if question is not None and question.type == "choices":
        return values
    if len(values) > 1:
        return values
    (value,) = values
    if question is not None and question.type == "number":
        return _number(value)
    if question is not None and question.type == "yes_no":
        return _YES.get(value.strip().lower(), value)
    return value


def _number(text: str) -> float | str:
    try:
        found = float(text)
    except ValueError:
        return text
    return found if abs(found) < 1e15 else text  # neither infinite nor NaN


def one(form: Form, name: str) -> str:
    """A field's first value; what is empty counts as not given."""
    values = form.get(name, ())
    return values[0].strip() if values else ""


# --- fields ---------------------------------------------------------------------------------------


def listed(query: Form, name: str) -> list[str]:
    """Comma-separated, and given more than once."""
    parts = (part.strip() for value in query.get(name, ()) for part in value.split(","))
    return [part for part in parts if part]


def span(start: str, end: str, now: datetime) -> tuple[datetime, datetime]:
    """Never more than 90 days. Raises `Refused`."""
    last = moment(end, "end_date") if end else None
    first = moment(start, "start_date") if start else (last or now) - SPAN
    last = last or min(now, first + SPAN)
    if first > last and not end:
        last = first  # it begins in the future: nothing is found
    if first > last or last - first > SPAN:
        raise Refused(
            400,
            "start_date ต้องมาก่อน end_date และห่างกันไม่เกิน 90 วัน",
            "start_date must lie before end_date, and no more than 90 days",
        )
    return first, last


def moment(text: str, name: str) -> datetime:
    """With an offset, as the standard asks. Raises `Refused`."""
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))  # a `+` that was not escaped
        if found.tzinfo is None or not 2000 <= found.year <= 2200:
            raise ValueError
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(
            400,
            f"{name} ต้องเป็นเวลาแบบ W3C เช่น 2026-01-01T00:00:00Z",
            f"{name} must be a time with its offset, such as 2026-01-01T00:00:00Z",
        ) from None
