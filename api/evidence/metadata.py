"""What tus 1.0 puts into headers: Upload-Metadata and Upload-Checksum.

Identity (`id`, `sha256`, the size) must be right. What else the phone claims is taken where it can
be read and flagged where it cannot: a photograph is not thrown away for a wrong position.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
import unicodedata
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from api import ids
from api.evidence.model import Claims, Creation, Flag
from api.problems import Malformed

CHECKSUMS = ("sha256", "sha1")
_KIND = re.compile(r"[a-z][a-z_]{0,39}")
_ITEM = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_MAX_NAME = 200


def creation(length: str, header: str) -> Creation:
    """Reads Upload-Length and Upload-Metadata; raises `Malformed`.

    Keys: `sha256` (64 hex digits, needed), `id` (the sender's UUID), `owner_kind`, `owner`, `item`,
    `taken_at` (RFC 3339), `lat`, `lng`, `accuracy_m`, `filename`, `filetype`; others are ignored.
    """
    if not length.isascii() or not length.isdigit() or len(length) > 18 or int(length) < 1:
        raise Malformed(reason="Upload-Length must be a number from 1", where="Upload-Length")
    given = _pairs(header)
    try:
        sha256 = bytes.fromhex(given.get("sha256", ""))
        id = UUID(given["id"]) if "id" in given else ids.new()
    except ValueError:
        sha256, id = b"", ids.new()
    if len(sha256) != 32:
        raise Malformed(
            reason="metadata needs `sha256`, 64 hex digits, and an `id`, if any, that is a UUID",
            where="Upload-Metadata",
        )
    return Creation(id=id, size=int(length), sha256=sha256, claims=_claims(given))


def _pairs(header: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in header.split(",") if header.strip() else []:
        name, _, value = pair.strip().partition(" ")
        try:
            found[name] = base64.b64decode(value.strip(), validate=True).decode("utf-8", "replace")
        except (ValueError, binascii.Error):
            raise Malformed(reason="a value is not Base64", where="Upload-Metadata") from None
    return found


def _claims(given: dict[str, str]) -> Claims:
    claims = Claims(filename=clean_name(given.get("filename", given.get("name", ""))))
    media = given.get("filetype", given.get("type", ""))
    claims.media = media if re.fullmatch(r"[\w.+-]{1,60}/[\w.+-]{1,60}", media, re.ASCII) else ""
    kind, owner = given.get("owner_kind", ""), _read(given, "owner", UUID, claims.flags)
    if _KIND.fullmatch(kind) and owner is not None:
        claims.owner_kind, claims.owner = kind, owner
        claims.item = _read(given, "item", _item, claims.flags)
    elif kind or "owner" in given:
        claims.flags.append(Flag("claim.unreadable", {"field": "owner"}))
    claims.taken_at = _read(given, "taken_at", _moment, claims.flags)
    lat = _read(given, "lat", lambda text: _number(text, -90, 90), claims.flags)
    lng = _read(given, "lng", lambda text: _number(text, -180, 180), claims.flags)
    if lat is not None and lng is not None:
        claims.lat, claims.lng = lat, lng
        claims.accuracy_m = _read(
            given, "accuracy_m", lambda text: _number(text, 0, 1e7), claims.flags
        )
    return claims


def _read(given: dict[str, str], name: str, read: Any, flags: list[Flag]) -> Any:
    if not given.get(name):
        return None
    try:
        return read(given[name])
    except (ValueError, msgspec.MsgspecError, OverflowError):
        flags.append(Flag("claim.unreadable", {"field": name}))
        return None


def _item(text: str) -> str:
    if not _ITEM.fullmatch(text):
        raise ValueError("no item")
    return text


def _moment(text: str) -> datetime:
    found = msgspec.convert(text, datetime)
    if found.tzinfo is None or not 2000 <= found.year <= 2200:
        raise ValueError("no time")
    return found.astimezone(UTC)


def _number(text: str, least: float, most: float) -> float:
    found = float(text)
    if not math.isfinite(found) or not least <= found <= most:
        raise ValueError("out of range")
    return found


def clean_name(name: str) -> str:
    """The last part of a path of any system without control characters; for people to read only."""
    name = re.split(r"[/\\]", name)[-1]
    kept = "".join(c for c in name if unicodedata.category(c)[0] != "C")
    return kept.strip(" .")[:_MAX_NAME]


class Checksum:
    """Upload-Checksum of a request, computed while its body passes."""

    def __init__(self, header: str) -> None:
        """Raises `Malformed` for another algorithm than `CHECKSUMS`."""
        algorithm, _, value = header.strip().partition(" ")
        try:
            self._wanted = base64.b64decode(value.strip(), validate=True)
        except (ValueError, binascii.Error):
            self._wanted = b""
        if algorithm not in CHECKSUMS or not self._wanted:
            raise Malformed(
                reason=f"Upload-Checksum must be one of {', '.join(CHECKSUMS)} and Base64",
                where="Upload-Checksum",
            )
        self._found = hashlib.new(algorithm, usedforsecurity=False)

    def add(self, chunk: bytes) -> None:
        self._found.update(chunk)

    def holds(self) -> bool:
        return self._found.digest() == self._wanted
