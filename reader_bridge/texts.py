"""What people at the counter read, Thai first."""

from __future__ import annotations

from typing import Final

from reader_bridge.fields import CardText, Fault

FAULT: Final[dict[Fault, tuple[str, str]]] = {
    Fault.card_left: (
        "มีบัตรค้างอยู่ในเครื่องอ่าน กรุณาดึงออกแล้วเสียบใหม่",
        "a card was left in the reader; take it out and put it in again",
    ),
    Fault.card_removed: ("บัตรถูกดึงออกก่อนอ่านเสร็จ", "the card was taken out too early"),
    Fault.card_changed: ("บัตรเปลี่ยนระหว่างอ่าน กรุณาเสียบใหม่", "another card; put it in again"),
    Fault.card_silent: ("บัตรไม่ตอบ กรุณาตรวจด้านของบัตร", "no answer; is it the right way up?"),
    Fault.not_a_thai_id: ("ไม่ใช่บัตรประชาชนไทย", "not a Thai national ID card"),
    Fault.card_damaged: ("อ่านชิปไม่ได้ บัตรอาจชำรุด", "the chip answers nonsense; it may be damaged"),
    Fault.reader_busy: ("โปรแกรมอื่นกำลังใช้เครื่องอ่านอยู่", "another program is using the reader"),
    Fault.reader_gone: ("เครื่องอ่านถูกถอดออก", "the reader was unplugged"),
    Fault.service_gone: ("บริการสมาร์ตการ์ดของเครื่องหยุดทำงาน", "the PC/SC service stopped"),
    Fault.two_cards: ("มีบัตรสองใบพร้อมกัน กรุณาเสียบทีละใบ", "two cards at once; one at a time"),
    Fault.timed_out: ("หมดเวลา", "out of time"),
    Fault.cancelled: ("ยกเลิกแล้ว", "cancelled"),
    Fault.asked_too_much: (
        "แม่ข่ายขออ่านเกินวัตถุประสงค์ หรือโปรแกรมเครื่องนี้เก่าเกินไป จึงไม่อ่านบัตร",
        "asked for more than the purpose may read, or this program is too old; no card is read",
    ),
    Fault.failed: ("อ่านไม่สำเร็จ กรุณาลองใหม่", "it failed; try again"),
}


def fault(of: Fault) -> str:
    thai, english = FAULT[of]
    return f"{thai} ({english})"


def masked(text: CardText) -> list[str]:
    """Enough to see that reading works, too little to be worth anything: for `test-read`."""
    lines = []
    if text.cid:
        lines.append(f"เลขประจำตัว (CID)      {text.cid[0]}-xxxx-xxxxx-{text.cid[10:12]}-x")
    for label, name in (
        ("ชื่อ (name, Thai)     ", text.name_th),
        ("name, English         ", text.name_en),
    ):
        if name is not None:
            lines.append(f"{label} {_first(name.first)} {_first(name.last)}")
    if text.birth:
        lines.append(f"ปีเกิด (year of birth)  {text.birth.year // 10}x")
    if text.address:
        lines.append(f"จังหวัด (province)      {text.address.province}")
    if text.version:
        lines.append(f"รุ่นบัตร (version)       {text.version}")
    if text.odd:
        lines.append(f"ผิดปกติ (odd)          {', '.join(text.odd)}")
    return lines


def _first(word: str) -> str:
    return word[:1] + "…" if word else "–"
