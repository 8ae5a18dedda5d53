"""Drawn signatures, and samples with their chains, as documents show them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec

from api.documents import contents as c
from api.evidence import content
from api.evidence.model import EvidenceRow
from api.inspection.checklists.rule_values import Flag
from api.inspection.visits import wording
from api.inspection.visits.custody import Bearers, HandOver, Sample
from api.inspection.visits.record_queries import OfficerName
from api.inspection.visits.signature_queries import SignatureRow
from api.inspection.visits.signatures import standing
from api.inspection.visits.views import Signatory

_INSPECTOR = ("ผู้ตรวจ", "Inspector")
_FACTORY = ("ผู้แทนโรงงาน", "For the factory")
_DRAWN = ("ลงลายมือชื่อบนอุปกรณ์", "drawn on a device")
_DRAWN_ON = ("ลงลายมือชื่อบนอุปกรณ์ของ {}", "drawn on the device of {}")
_WITHOUT = ("ไม่มีภาพลายมือชื่อ", "no image of the signature")
_REFUSED = ("ไม่ยินยอมลงลายมือชื่อ", "refused to sign")


def signatures(
    lead: c.Signature,
    lead_account: UUID,
    rows: Sequence[SignatureRow],
    said: Mapping[UUID, Signatory],
    officers: Mapping[UUID, OfficerName],
    images: Mapping[UUID, EvidenceRow],
    language: c.Language,
    *,
    factory_side: bool,
) -> list[c.Signature]:
    """The lead's first, who signed by submitting, then the other inspectors', then the factory's.

    `images` is the visit's evidence: an image that is not among it is not shown. Without
    `factory_side` who signed for the factory is left out.
    """
    english = language == "en"
    found, shown = [lead], standing(rows, images)
    for row in shown:
        if row.officer is None:
            continue
        author = officers.get(row.author)
        on = "" if row.author == row.officer else (author.name if author else "–")
        if row.officer == lead_account:
            _draw(lead, row, images, english, on=on, besides=lead.how)
            continue
        officer = officers.get(row.officer)
        other = c.Signature(
            role=_INSPECTOR[english],
            name=officer.name if officer else "–",
            position=officer.position if officer else "",
        )
        found.append(_draw(other, row, images, english, on=on))
    for row in shown if factory_side else ():
        if row.officer is not None:
            continue
        who = said.get(row.operation) or Signatory(row.operation)
        part = c.Signature(role=_FACTORY[english], name=who.name, position=who.capacity)
        found.append(_draw(part, row, images, english))
        if row.who == "refused":
            part.how = ": ".join(text for text in (_REFUSED[english], who.reason) if text)
    return found


def _draw(
    part: c.Signature,
    row: SignatureRow,
    images: Mapping[UUID, EvidenceRow],
    english: bool,
    *,
    on: str = "",
    besides: str = "",
) -> c.Signature:
    """`on` names whose device it was, where it was not the signer's own."""
    image = images.get(row.evidence) if row.evidence else None
    part.at = part.at or c.moment(row.signed_at or row.received_at)
    how = ((_DRAWN_ON if on else _DRAWN) if image else _WITHOUT)[english].format(on)
    part.how = " · ".join(text for text in (how, besides) if text)
    if image is not None:
        part.sha256 = image.sha256.hex()
        part.image = image.id if image.media in content.PICTURES else None
    return part


# --- samples ------------------------------------------------------------------------------------

BREAKS: wording.Words = {
    "custody.unsealed": ("ตัวอย่างไม่มีเลขตราผนึก", "the sample has no seal number"),
    "custody.seal_broken": ("ตราผนึกไม่อยู่ในสภาพเดิม", "the seal was broken"),
    "custody.time_backwards": ("เวลาย้อนกลับ", "time runs backwards"),
    "custody.gap": ("ผู้ส่งไม่ใช่ผู้ที่รับไว้ครั้งก่อน", "given by another than who had taken it"),
    "custody.no_handover": ("ไม่มีบันทึกการส่งมอบ", "no hand-over is written down"),
    "custody.not_at_laboratory": (
        "ผู้รับคนสุดท้ายไม่ใช่ห้องปฏิบัติการที่รายงานผล",
        "the last who took it is not the laboratory that reported",
    ),
}
_SEAL = {
    True: ("ตราผนึกสมบูรณ์", "seal intact"),
    False: ("ตราผนึกชำรุด", "seal broken"),
    None: ("", ""),
}


def told(
    found: Sequence[Sample], items: Collection[str], files: Mapping[UUID, EvidenceRow]
) -> list[Sample]:
    """What a copy that tells of no other items than `items` says of samples: nothing of one that
    was taken for none of them, and of one taken for others too neither these nor a photograph that
    may be of them."""
    parts = []
    for s in found:
        own = [item for item in s.items if item in items]
        if s.late or not own:
            continue
        whole = len(own) == len(s.items)

        def shown(ids: Sequence[UUID], whole: bool = whole) -> list[UUID]:
            here = [files[id] for id in ids if id in files]
            return [e.id for e in here if (e.item in items if e.item else whole)]

        parts.append(
            msgspec.structs.replace(
                s,
                items=own,
                results=[r for r in s.results if r.item in own],
                breaks=[f for f in s.breaks if f.facts.get("item", own[0]) in own],
                photographs=shown(s.photographs),
                handovers=[
                    msgspec.structs.replace(link, evidence=shown(link.evidence))
                    for link in s.handovers
                ],
            )
        )
    return parts


def samples(
    found: Sequence[Sample],
    officers: Mapping[UUID, OfficerName],
    bearers: Mapping[UUID, Bearers],
    files: Mapping[UUID, EvidenceRow],
    language: c.Language,
) -> list[c.SamplePart]:
    """With the people whom `bearers` names, and the photographs that are among `files`."""
    english = language == "en"
    parts = []
    for s in found:
        taker = officers.get(s.taken_by) if s.taken_by else None
        wanted = [*s.photographs, *(id for link in s.handovers for id in link.evidence)]
        parts.append(
            c.SamplePart(
                number=s.number or "–",
                items=s.items,
                what=s.what,
                place=s.place,
                taken_at=c.moment(s.taken_at),
                by=taker.name if taker else "",
                seal=s.seal,
                links=[_link(link, bearers.get(link.id), english) for link in s.handovers],
                results=[
                    " · ".join(
                        part
                        for part in (r.item, r.laboratory, r.report_no, c.moment(r.reported_at))
                        if part
                    )
                    for r in s.results
                ],
                breaks=[_break(flag, language) for flag in s.breaks],
                photographs=[
                    c.Photo(
                        evidence=id,
                        sha256=files[id].sha256.hex(),
                        caption=s.number,
                        taken_at=c.moment(files[id].taken_at),
                    )
                    for id in dict.fromkeys(wanted)
                    if id in files
                ],
            )
        )
    return parts


def _link(link: HandOver, people: Bearers | None, english: bool) -> c.CustodyLink:
    return c.CustodyLink(
        at=c.moment(link.handed_at),
        known_at=c.moment(link.received_at),
        giver=_named(link.giver, people.giver if people else ""),
        receiver=_named(link.receiver, people.receiver if people else ""),
        condition=link.condition,
        seal=_SEAL[link.seal_intact][english],
    )


def _named(organisation: str, person: str) -> str:
    return f"{organisation} ({person})" if person else organisation


def _break(flag: Flag, language: c.Language) -> str:
    said = wording.word(BREAKS, flag.code, language)
    if "n" in flag.facts:
        said += (
            f" (hand-over {flag.facts['n']})" if language == "en" else f" (ครั้งที่ {flag.facts['n']})"
        )
    elif "item" in flag.facts:
        said += f" ({flag.facts['item']})"
    return said
