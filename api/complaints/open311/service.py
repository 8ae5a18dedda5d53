"""Open311 GeoReport v2: what programs of others may tell and ask of complaints.

Decisions that the standard leaves open are in docs/adr/0019.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from api import clock, codes, keys, sealed, settings
from api.complaints import intake, reading
from api.complaints.categories import Category, Question, content
from api.complaints.open311 import clients, forms
from api.complaints.open311 import queries as open311_queries
from api.complaints.open311.format import (
    SPECIFICATION,
    Attribute,
    Discovery,
    Endpoint,
    Received,
    Refused,
    Service,
    ServiceDefinition,
    ServiceRequest,
    TokenRequest,
    Value,
)
from api.complaints.open311.forms import Form
from api.complaints.public import queries as public_queries
from api.complaints.public import service as public
from api.complaints.public.queries import Published, Wanted
from api.db import Database, Tx
from api.permissions import NOBODY, Actor, Client

CHANGESET: Final = "2026-11-22T00:00:00+07:00"
TOKEN: Final = "open311_request.token"  # noqa: S105 - the name of an index
RETRY: Final = timedelta(minutes=10)
"""So long a form that names nobody, sent again, is a retry."""
MOST: Final = 1000
_MOST_IDS: Final = 100
_ID: Final = re.compile(r"[0-9]{1,15}")
_TYPES: Final[dict[str, Any]] = {
    "text": "text",
    "choice": "singlevaluelist",
    "choices": "multivaluelist",
    "hours": "string",
    "number": "number",
    "yes_no": "singlevaluelist",
}
_HINTS: Final = {"hours": "22:00-04:00", "number": "0"}


# --- what every request says of itself ------------------------------------------------------------


def jurisdiction(given: str | None) -> None:
    """There is one, so it may be left out. Raises `Refused`."""
    if given and given != settings.current().open311_jurisdiction:
        raise Refused(404, "ไม่พบ jurisdiction_id นี้", "jurisdiction_id was not found")


async def caller(db: Database, key: str | None, network: str, *, needed: bool) -> Actor:
    """The program that asks; nobody without a key. Raises `Refused`, `TooFast`."""
    if not key:
        if needed:
            raise Refused(403, "ต้องมี api_key", "api_key is missing")
        return NOBODY
    client = await clients.authenticate(db, key, network)
    if client is None:
        raise Refused(403, "api_key ไม่ถูกต้อง", "api_key is invalid")
    return client


# --- discovery and services -----------------------------------------------------------------------


def discovery() -> Discovery:
    base = settings.current().base_url
    return Discovery(
        changeset=CHANGESET,
        contact="กระทรวงอุตสาหกรรม / Ministry of Industry, Thailand",
        key_service="ขอ api_key จากผู้ดูแลระบบ / Ask the administrators for an api_key",
        endpoints=[
            Endpoint(
                SPECIFICATION,
                f"{base}/open311/v2",
                CHANGESET,
                "production" if settings.current().production else "test",
                ["text/xml", "application/json"],
            )
        ],
    )


async def services(tx: Tx) -> list[Service]:
    """The categories in use that are not confidential: those are never in Open311."""
    return [
        Service(
            service_code=category.code,
            service_name=_both(category),
            description=f"ร้องเรียนโรงงาน: {category.th} / Complaint about a factory: {category.en}",
            metadata=True,
            type="batch",
            keywords=f"{category.th}, {category.en.lower()}",
            group="เรื่องร้องเรียนโรงงาน / Complaints about factories",
        )
        for category in await _open(tx)
    ]


async def definition(tx: Tx, code: str) -> ServiceDefinition:
    """Raises `Refused` for a service that there is not."""
    category = await _service(tx, code)
    asked = [_attribute(q, n) for n, q in enumerate(category.questions, start=1)]
    asked.append(
        Attribute(
            code=forms.HAPPENED,
            datatype="datetime",
            required=False,
            datatype_description="2026-11-22T21:30:00+07:00",
            order=len(asked) + 1,
            description="เกิดขึ้นเมื่อใด / When did it happen?",
        )
    )
    return ServiceDefinition(category.code, asked)


def _attribute(question: Question, order: int) -> Attribute:
    found = Attribute(
        code=question.code,
        datatype=_TYPES[question.type],
        required=question.required,
        datatype_description=_HINTS.get(question.type),
        order=order,
        description=_both(question),
    )
    if question.type in ("choice", "choices"):
        found.values = [Value(option.code, _both(option)) for option in question.options]
    if question.type == "yes_no":
        found.values = [Value("yes", "ใช่ / Yes"), Value("no", "ไม่ใช่ / No")]
    return found


def _both(words: Any) -> str:
    return f"{words.th} / {words.en}"


async def _open(tx: Tx) -> list[Category]:
    return [c for c in await reading.categories(tx) if not c.confidential]


async def _service(tx: Tx, code: str) -> Category:
    if not code:
        raise Refused(400, "ต้องระบุ service_code", "service_code was not provided")
    found = [c for c in await _open(tx) if c.code == code]
    if not found:
        raise Refused(404, "ไม่พบ service_code นี้", "service_code was not found")
    return found[0]


# --- a new request --------------------------------------------------------------------------------


async def request(tx: Tx, form: Form, network: str) -> Received:
    """Takes what a program tells for a person. The same form again on the same day (in Bangkok) is
    the same complaint, with the same answer; one that names nobody, for ten minutes only. Raises
    `Refused`, and what `intake.report` raises.
    """
    client = tx.actor
    if not isinstance(client, Client):
        raise TypeError("only a program tells by Open311")
    category = await _service(tx, forms.one(form, "service_code"))
    id, secret, token = await _known_as(tx, client.id, form)
    said, odd = forms.report(form, category, secret, client.id)
    found = await intake.report(tx, id, said, network, odd)
    await open311_queries.keep(tx, id, client.id, sealed.index(TOKEN, token))
    notice = (
        f"รับเรื่องแล้ว เลขที่ {found.number} รหัสติดตาม {found.code} (แสดงครั้งเดียว) / "
        f"Received as {found.number}; tracking code {found.code} (shown once)"
    )
    return Received(token, notice)


async def _known_as(tx: Tx, client: UUID, form: Form) -> tuple[UUID, str, str]:
    """(id, tracking secret, token): those of the complaint that a retry was before, else new ones.

    Two people may write the same few words on one day, and must not be given one code.
    """
    if forms.names_somebody(form):
        return _derived(client, form, tx.now)
    slot = int(tx.now.timestamp() // RETRY.total_seconds())
    before = _derived(client, form, tx.now - RETRY, slot - 1)
    if await open311_queries.came_since(tx, before[0], tx.now - RETRY):
        return before
    return _derived(client, form, tx.now, slot)


def _derived(
    client: UUID, form: Form, now: datetime, slot: int | None = None
) -> tuple[UUID, str, str]:
    """(id, tracking secret, token) of a form: keyed, so that only the sender learns them, and the
    same for a retry, for which Open311 has no id of its own.
    """
    day = clock.bangkok_date(now)
    fields = sorted((k, list(v)) for k, v in form.items())
    parts = [str(client), day, fields]
    told = msgspec.json.encode(parts if slot is None else [*parts, slot])
    drawn = hmac.digest(keys.ring().derive("open311 request"), told, hashlib.sha512)
    begun = datetime(day.year, day.month, day.day, tzinfo=clock.BANGKOK)
    high = int(begun.timestamp() * 1000).to_bytes(6, "big")  # UUIDv7: the time, then 74 bits
    low = bytearray(high + drawn[:10])
    low[6] = low[6] & 0x0F | 0x70
    low[8] = low[8] & 0x3F | 0x80
    letters = [codes.ALPHABET[byte & 31] for byte in drawn[10:62]]
    return UUID(bytes=bytes(low)), "".join(letters[:26]), "".join(letters[26:])


# --- tokens and requests --------------------------------------------------------------------------


async def of_token(tx: Tx, token: str) -> list[TokenRequest]:
    """Raises `Refused`."""
    found = await open311_queries.of_token(tx, sealed.indexes(TOKEN, token[:100]))
    if found is None:
        raise Refused(404, "ไม่พบ token นี้", "token was not found")
    return [TokenRequest(found, token)]


async def one(tx: Tx, id: str) -> list[ServiceRequest]:
    """Raises `Refused` for what is not public, or not there: nobody learns which."""
    found = await _by_ids(tx, [int(id)]) if _ID.fullmatch(id) else []
    if not found:
        raise Refused(404, "ไม่พบ service_request_id นี้", "service_request_id was not found")
    return found


async def many(tx: Tx, query: Form) -> list[ServiceRequest]:
    """By `service_request_id`, which overrides all else, or `service_code`, `start_date`,
    `end_date` and `status`; at most `MOST`, the newest. Raises `Refused`."""
    if asked := forms.listed(query, "service_request_id"):
        if len(asked) > _MOST_IDS:
            raise Refused(400, "service_request_id มากเกินไป", "at most 100 service_request_id")
        return await _by_ids(tx, [int(id) for id in asked if _ID.fullmatch(id)])
    service_codes = forms.listed(query, "service_code")
    if service_codes and set(service_codes) - {c.code for c in await _open(tx)}:
        raise Refused(404, "ไม่พบ service_code นี้", "service_code was not found")
    status = forms.listed(query, "status")
    if set(status) - {"open", "closed"}:
        raise Refused(400, "status ต้องเป็น open หรือ closed", "status must be open or closed")
    start, end = forms.span(forms.one(query, "start_date"), forms.one(query, "end_date"), tx.now)
    wanted = Wanted(
        categories=service_codes or None,
        states=public_queries.states(status),
        first=_from(start),
        last=clock.bangkok_date(end).replace(day=1),
        limit=MOST,
    )
    return [_shown(one) for one in await public.published(tx, wanted)]


async def _by_ids(tx: Tx, wanted: list[int]) -> list[ServiceRequest]:
    """Those of `wanted` that are public; of the caller's own also the status before that."""
    found = {
        p.public_id: _shown(p)
        for p in await public.published(tx, Wanted(ids=wanted, limit=len(wanted) or 1))
    }
    if isinstance(tx.actor, Client):
        for own in await open311_queries.own(tx, tx.actor.id, wanted):
            status = public.told(own.state, own.merged_state)
            found.setdefault(
                own.public_id,
                ServiceRequest(
                    service_request_id=own.public_id,
                    status=status.code,
                    status_notes=_both(status),
                    service_name=_both(content(own.content)),
                    service_code=own.category,
                ),
            )
    return [found[id] for id in dict.fromkeys(wanted) if id in found]


def _shown(one: Published) -> ServiceRequest:
    status, lat_lng = public.told(one.state, one.merged_state), public.position(one)
    return ServiceRequest(
        service_request_id=one.public_id,
        status=status.code,
        status_notes=_both(status),
        service_name=_both(content(one.content)),
        service_code=one.category,
        description=one.th if one.en is None else f"{one.th}\n\n{one.en}",
        requested_datetime=_written(one.month),
        updated_datetime=_written(max(one.changed, one.month)),
        address=f"{one.province_th} / {one.province_en}" if one.province_th else None,
        lat=lat_lng and lat_lng[0],
        long=lat_lng and lat_lng[1],
    )


def _written(month: date) -> str:
    return public.begun(month).isoformat()


def _from(start: datetime) -> date:
    """The first month that begins at or after `start`: finer times are not told of any request."""
    month = public.first_of(start)
    if public.begun(month) == start:
        return month
    return public.first_of(public.begun(month) + timedelta(days=32))
