"""What each kind of document says: the one thing that is signed and the one thing that is shown.

A template gets nothing but this and the images that it names. Dates are `YYYY-MM-DD` of Bangkok,
moments `YYYY-MM-DDTHH:MM:SS+07:00`: use `day` and `moment`. Texts are in the document's language.
What is unknown is left out, never invented. A field that is not here is refused, so that nothing is
signed that no template shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from api.clock import BANGKOK

Language = Literal["th", "en"]


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    pass


class Office(_Part, kw_only=True):
    """The office that speaks, in both languages: the public answer shows it."""

    th: str
    en: str
    address: str = ""
    contact: str = ""


class Person(_Part, kw_only=True):
    name: str
    position: str = ""
    role: str = ""
    since: str = ""


class Factory(_Part, kw_only=True):
    """The site and the licence that a document is about."""

    name: str
    number: str = ""
    class_: int | None = msgspec.field(name="class", default=None)
    category: str = ""
    operator: str = ""
    address: str = ""


class Photo(_Part, kw_only=True):
    """A photograph by its evidence id; `sha256` (hex) is that of the stored original.

    `taken_at` is the phone's claim. Not `shown`, or without a form that can be shown: listed.
    """

    evidence: UUID
    sha256: str
    caption: str = ""
    taken_at: str = ""
    shown: bool = True


class Signature(_Part, kw_only=True):
    """Who signed and how: `image` is the evidence of a signature drawn on a phone.

    `sha256` (hex) is that of the stored original, of the image; `at` is a claim.
    """

    role: str
    name: str = ""
    position: str = ""
    at: str = ""
    how: str = ""
    image: UUID | None = None
    sha256: str = ""


class Law(_Part, kw_only=True):
    """A legal reference; `confirmed`: an officer has looked it up."""

    reference: str
    text: str = ""
    confirmed: bool = True


# --- the record of a visit ----------------------------------------------------------------------


class Entry(_Part, kw_only=True):
    """One item of the checklist with its answer, as words."""

    item: str
    text: str
    answer: str
    outcome: str
    failed: bool = False
    note: str = ""


class Section(_Part, kw_only=True):
    code: str
    title: str
    entries: list[Entry]


class FindingPart(_Part, kw_only=True):
    item: str
    text: str
    severity: str
    state: str
    laws: list[Law] = []
    noted: str = ""


class CustodyLink(_Part, kw_only=True):
    """One hand-over of a sample; `at` is claimed, `known_at` when it was written down here."""

    at: str
    known_at: str
    giver: str
    receiver: str
    condition: str = ""
    seal: str = ""


class SamplePart(_Part, kw_only=True):
    """A sample with its chain of custody; `breaks` says in words where the chain is broken."""

    number: str
    items: list[str]
    what: str = ""
    place: str = ""
    taken_at: str = ""
    by: str = ""
    seal: str = ""
    links: list[CustodyLink] = []
    results: list[str] = []
    breaks: list[str] = []
    photographs: list[Photo] = []


class VisitRecord(_Part, kw_only=True):
    """บันทึกผลการตรวจโรงงาน. `copy`: the office's own, or the factory's without what is not its."""

    date: str
    office: Office
    copy: Literal["office", "factory"]
    factory: Factory
    number: str = ""
    form: str = ""
    visit: str
    checklist: int
    started_at: str = ""
    ended_at: str = ""
    outcome: str = ""
    position: str = ""
    officers: list[Person] = []
    representative: str = ""
    sections: list[Section] = []
    findings: list[FindingPart] = []
    remarks: list[str] = []
    samples: list[SamplePart] = []
    photographs: list[Photo] = []
    signatures: list[Signature] = []
    accepted: Person | None = None
    accepted_at: str = ""


# --- an order -----------------------------------------------------------------------------------


class Requirement(_Part, kw_only=True):
    """What must be done by when: a day, or a time that begins with the service of the order."""

    what: str
    by: str = ""
    within: str = ""
    laws: list[Law] = []


class Approval(_Part, kw_only=True):
    """Of the Permanent Secretary or a delegate, where the law asks for it."""

    name: str
    position: str
    instrument: str = ""
    at: str = ""


class SealLine(_Part, kw_only=True):
    """One sealed machine."""

    number: str
    machine: str
    place: str = ""
    photo: UUID | None = None


class Order(_Part, kw_only=True):
    """คำสั่ง under s.37 or s.39 of the Factory Act."""

    number: str
    date: str
    office: Office
    section: str
    subject: str
    factory: Factory
    addressee: Person
    addressee_address: str = ""
    form: str = ""
    facts: list[str]
    laws: list[Law]
    reasons: list[str]
    requirements: list[Requirement]
    heard: str = ""
    penalties: list[str] = []
    appeal: str
    approval: Approval | None = None
    seals: list[SealLine] = []
    photographs: list[Photo] = []
    signer: Signature
    supersedes: str = ""


# --- a case file --------------------------------------------------------------------------------


class CaseEvent(_Part, kw_only=True):
    at: str
    what: str
    who: str = ""
    name: str = ""
    record: str = ""


class CaseClock(_Part, kw_only=True):
    what: str
    set_at: str
    due_at: str
    ended: str = ""


class CaseMessage(_Part, kw_only=True):
    at: str
    to: str
    text: str
    read_at: str = ""


class CaseDocument(_Part, kw_only=True):
    kind: str
    number: str
    date: str
    code: str
    sha256: str = ""
    force: str = ""


class CaseEvidence(_Part, kw_only=True):
    what: str
    sha256: str
    received_at: str
    size: int = 0


class CaseComplaint(_Part, kw_only=True):
    """A complaint behind the matter; nothing of who told it."""

    number: str
    received_at: str
    category: str
    what: str
    state: str
    outcome: str = ""
    decision: str = ""


class CaseFile(_Part, kw_only=True):
    """สำนวน: all that happened in one matter, for court or Ombudsman."""

    number: str = ""
    date: str
    office: Office
    subject: str
    factory: Factory
    complaints: list[CaseComplaint] = []
    officers: list[Person] = []
    events: list[CaseEvent] = []
    clocks: list[CaseClock] = []
    messages: list[CaseMessage] = []
    documents: list[CaseDocument] = []
    evidence: list[CaseEvidence] = []
    samples: list[SamplePart] = []
    signatures: list[Signature] = []
    photographs: list[Photo] = []


Content = VisitRecord | Order | CaseFile
KINDS: dict[str, type[Content]] = {
    "visit_record": VisitRecord,
    "order": Order,
    "case_file": CaseFile,
}
TITLES: dict[str, tuple[str, str]] = {
    "visit_record": ("บันทึกผลการตรวจโรงงาน", "Record of a factory inspection"),
    "order": ("คำสั่งตามพระราชบัญญัติโรงงาน พ.ศ. 2535", "Order under the Factory Act B.E. 2535"),
    "case_file": ("สำนวนเรื่องโรงงาน", "Case file of a factory matter"),
}


def day(value: date) -> str:
    """`2026-11-22`."""
    return value.isoformat()


def moment(value: datetime | None) -> str:
    """In Bangkok's time, to the second; empty for None."""
    return "" if value is None else value.astimezone(BANGKOK).isoformat(timespec="seconds")


def images(content: Any) -> Iterator[UUID]:
    """The evidence ids of every image that `content` (builtins) shows, in their order."""
    if isinstance(content, dict):
        if content.get("shown") is False:
            return
        for name, value in content.items():
            if name in ("evidence", "photo", "image") and isinstance(value, str):
                yield UUID(value)
            else:
                yield from images(value)
    elif isinstance(content, list):
        for value in content:
            yield from images(value)
