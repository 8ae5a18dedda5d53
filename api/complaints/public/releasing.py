"""Release: an officer's own words are shown to the public. Before it nothing of a complaint is.

Pictures are never shown to the public so far; a released derivative would be a verb of its own.
"""

from __future__ import annotations

import re
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from api import ids
from api.accounts import authority
from api.accounts.model import Power
from api.complaints import categories, moving, queries
from api.complaints.model import ComplaintRow, State
from api.complaints.problems import ComplaintSealed, ReleaseForbidden, WordsUnfit
from api.complaints.public import queries as public_queries
from api.complaints.views import NO_NUL
from api.db import Tx

SECTION: Final = "35"
"""The section under which an authority to moderate is granted, as that to unseal is."""
_COPIED: Final = 40
"""So many characters of the sender's in a row are no longer the officer's own words."""
_DIGITS: Final = re.compile(r"\d(?:[\s().-]?\d){8,}")
_ADDRESS: Final = re.compile(r"[\w.+-]+@[\w-]+\.\w|https?://|www\.", re.IGNORECASE)
_SPACE: Final = re.compile(r"\s+")

Words = Annotated[str, Meta(min_length=1, max_length=2000, pattern=NO_NUL)]


class Release(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the public is to read, in words of the officer's own."""

    th: Words
    en: Words | None = None


class Released(msgspec.Struct):
    """What the public reads now; nothing where `th` is None."""

    id: UUID
    public_id: int
    th: str | None
    en: str | None
    version: int


async def release(tx: Tx, id: UUID, words: Release, version: int) -> Released:
    """Shows `words` to the public from the end of the month in which the complaint came.

    Raises `ComplaintNotFound`, `Stale`, `AuthorityNeeded`, `ReleaseForbidden`, `WordsUnfit`, and
    `ComplaintSealed` for one that was withdrawn or merged.
    """
    complaint = await moving.held(tx, id, "complaint.release", None, version)
    grant = await _authority(tx, complaint)
    if complaint.left_at is not None or complaint.state in (State.withdrawn, State.duplicate):
        raise ComplaintSealed(
            state=State.withdrawn if complaint.left_at is not None else complaint.state
        )
    if categories.content(await queries.category_content(tx, complaint.category)).confidential:
        raise ReleaseForbidden()
    _check(words, complaint)
    return await _write(tx, complaint, grant, words.th.strip(), words.en, "complaint.released")


async def unrelease(tx: Tx, id: UUID, version: int) -> Released:
    """The public reads nothing of it any more; raises as `release` does, but for the words."""
    complaint = await moving.held(tx, id, "complaint.release", None, version)
    grant = await _authority(tx, complaint)
    return await _write(tx, complaint, grant, None, None, "complaint.unreleased")


async def _authority(tx: Tx, complaint: ComplaintRow) -> UUID:
    grant = await authority.require_authority(tx, Power.moderate, SECTION, None, complaint.province)
    return grant.id


async def _write(
    tx: Tx, complaint: ComplaintRow, grant: UUID, th: str | None, en: str | None, event: str
) -> Released:
    await public_queries.release(tx, complaint.id, id=ids.new(), authority=grant, th=th, en=en)
    await moving.save(tx, complaint, event, {"authority": grant})
    public = await public_queries.public_id(tx, complaint.id)
    return Released(complaint.id, public, th, en, complaint.version)


def _check(words: Release, complaint: ComplaintRow) -> None:
    """A person checks the words; this catches what is easily missed."""
    theirs = _SPACE.sub(" ", complaint.description).strip()
    for text in filter(None, (words.th, words.en)):
        if not text.strip():
            raise WordsUnfit(reason="empty")
        if _DIGITS.search(text) or _ADDRESS.search(text):
            raise WordsUnfit(reason="contact")
        if _shares(_SPACE.sub(" ", text), theirs):
            raise WordsUnfit(reason="copied")


def _shares(text: str, theirs: str) -> bool:
    """Whether `text` repeats the whole of a sentence of theirs, or `_COPIED` characters of it."""
    if 15 <= len(theirs) < _COPIED:
        return theirs in text
    parts = {theirs[i : i + _COPIED] for i in range(len(theirs) - _COPIED + 1)}
    return any(text[i : i + _COPIED] in parts for i in range(len(text) - _COPIED + 1))
