"""Open311 GeoReport v2 on the wire: its shapes, XML and JSON (wiki.open311.org/GeoReport_v2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal
from xml.sax.saxutils import escape

import msgspec
from msgspec import UNSET, UnsetType

from api.clock import MomentText

SPECIFICATION: Final = "http://wiki.open311.org/GeoReport_v2"
XML: Final = "text/xml"  # the framework names the encoding of text, but not of JSON
JSON: Final = "application/json; charset=utf-8"
_ITEM: Final = {
    "services": "service",
    "attributes": "attribute",
    "values": "value",
    "service_requests": "request",
    "errors": "error",
    "endpoints": "endpoint",
    "formats": "format",
}
"""What an element of a list is called in XML; in JSON a list is bare."""
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Refused(Exception):
    """An answer in the form that Open311 gives to errors: HTTP status and a sentence."""

    def __init__(self, code: int, th: str, en: str) -> None:
        super().__init__(en)
        self.code, self.description = code, f"{th} / {en}"


class Error(msgspec.Struct):
    code: int
    description: str


class Service(msgspec.Struct):
    """`type` is `batch`: a new request is answered with a token."""

    service_code: str
    service_name: str
    description: str
    metadata: bool
    type: str
    keywords: str
    group: str


class Value(msgspec.Struct):
    key: str
    name: str


class Attribute(msgspec.Struct, kw_only=True):
    variable: bool = True
    code: str
    datatype: Literal["string", "number", "datetime", "text", "singlevaluelist", "multivaluelist"]
    required: bool
    datatype_description: str | None
    order: int
    description: str
    values: list[Value] | UnsetType = UNSET


class ServiceDefinition(msgspec.Struct):
    service_code: str
    attributes: list[Attribute]


class Received(msgspec.Struct):
    """What a new request is answered with. The notice holds the tracking code, this once."""

    token: str
    service_notice: str
    account_id: str | None = None


class TokenRequest(msgspec.Struct):
    """What a token leads to."""

    service_request_id: int
    token: str


class ServiceRequest(msgspec.Struct, kw_only=True):
    """A complaint as the public may know it; everything but its state may be withheld.

    `requested_datetime` is the beginning of the month, in Bangkok, in which it came.
    """

    service_request_id: int
    status: Literal["open", "closed"]
    status_notes: str
    service_name: str
    service_code: str
    description: str | None = None
    agency_responsible: str | None = None
    service_notice: str | None = None
    requested_datetime: MomentText | None = None
    updated_datetime: MomentText | None = None
    expected_datetime: MomentText | None = None
    address: str | None = None
    address_id: str | None = None
    zipcode: str | None = None
    lat: float | None = None
    long: float | None = None
    media_url: str | None = None


class Endpoint(msgspec.Struct):
    specification: str
    url: str
    changeset: str
    type: str
    formats: list[str]


class Discovery(msgspec.Struct):
    """wiki.open311.org/Service_Discovery"""

    changeset: str
    contact: str
    key_service: str
    endpoints: list[Endpoint]


def written(root: str, value: Any, *, xml: bool) -> bytes:
    """`value` in either format. `root` is the root element; a list of JSON stands bare."""
    if not xml:
        return msgspec.json.encode(value)
    parts = ['<?xml version="1.0" encoding="utf-8"?>\n']
    _element(parts, root, msgspec.to_builtins(value))
    return "".join(parts).encode()


def errors(found: Sequence[Error], *, xml: bool) -> bytes:
    return written("errors", list(found), xml=xml)


def _element(parts: list[str], name: str, value: Any) -> None:
    """Names are ours; values are anybody's, so they are escaped, and what XML 1.0 cannot hold
    becomes a replacement character."""
    if value is None or value == "":
        parts.append(f"<{name}/>")
        return
    parts.append(f"<{name}>")
    if isinstance(value, dict):
        for key, inner in value.items():
            _element(parts, key, inner)
    elif isinstance(value, list):
        for inner in value:
            _element(parts, _ITEM[name], inner)
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    else:
        parts.append(escape(_NOT_XML.sub("\ufffd", str(value))))
    parts.append(f"</{name}>")
