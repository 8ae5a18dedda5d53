"""What people at the counter read, Thai first."""

from __future__ import annotations

from typing import Final

from reader_bridge.fields import CardText, Fault

FAULT: Final[dict[Fault, tuple[str, str]]] = {
    Fault.card_left: (
        "มีบัตรค้างอยู่ในเครื่องอ่าน กรุณาดึงออกแล้วเสียบใหม่",
        "a card was left in the reader; take it out and put it in again",
    ),
    Fault.card_removed: (
        "บัตรถูกดึงออกก่อนอ่านเสร็จ กรุณาเสียบใหม่แล้วรอจนเสร็จ",
        "the card was taken out too early; put it in again and wait until it is done",
    ),
    Fault.card_changed: (
        "บัตรเปลี่ยนระหว่างอ่าน กรุณาดึงออกแล้วเสียบใบเดียวใหม่",
        "another card in mid-reading; take it out and put the one card in again",
    ),
    Fault.card_silent: (
        "บัตรไม่ตอบ กรุณาดึงออก ตรวจด้านของบัตร แล้วเสียบให้สุด",
        "no answer; take it out, look which way up it goes, and push it all the way in",
    ),
    Fault.not_a_thai_id: (
        "ไม่ใช่บัตรประชาชนไทย กรุณาเสียบบัตรประชาชน หรือบันทึกเอกสารที่เห็นแทน",
        "not a Thai national ID card; put that one in, or record the document that you saw",
    ),
    Fault.card_damaged: (
        "อ่านชิปไม่ได้ กรุณาเช็ดชิปแล้วเสียบใหม่ หากบัตรชำรุดให้บันทึกเอกสารที่เห็นแทน",
        "the chip answers nonsense; wipe it and put the card in again, or, where the card is "
        "damaged, record the document that you saw",
    ),
    Fault.reader_busy: (
        "โปรแกรมอื่นกำลังใช้เครื่องอ่านอยู่ กรุณาปิดโปรแกรมอ่านบัตรอื่น แล้วดึงบัตรออกและเสียบใหม่",
        "another program is using the reader; close it, then take the card out and put it in again",
    ),
    Fault.reader_gone: (
        "เครื่องอ่านถูกถอดออก กรุณาต่อสายเครื่องอ่าน รอสักครู่ แล้วเสียบบัตรใหม่",
        "the reader was unplugged; plug it in, wait a moment, and put the card in again",
    ),
    Fault.service_gone: (
        "บริการสมาร์ตการ์ดของเครื่องหยุดทำงาน กรุณารอสักครู่แล้วเสียบบัตรใหม่ "
        "หากไม่หาย ให้ถอดและต่อเครื่องอ่านใหม่ หรือแจ้งผู้ดูแลเครื่อง",
        "the PC/SC service stopped; wait a moment and put the card in again, else plug the reader "
        "in anew, or tell whoever looks after this PC",
    ),
    Fault.two_cards: (
        "มีบัตรสองใบพร้อมกัน กรุณาดึงออกทั้งหมดแล้วเสียบทีละใบ",
        "two cards at once; take them out and put in one at a time",
    ),
    Fault.timed_out: (
        "หมดเวลา กรุณาดึงบัตรออกแล้วเริ่มใหม่",
        "out of time; take the card out and begin again",
    ),
    Fault.cancelled: ("ยกเลิกแล้ว กรุณาดึงบัตรออก", "cancelled; take the card out"),
    Fault.asked_too_much: (
        "แม่ข่ายขออ่านเกินวัตถุประสงค์ หรือโปรแกรมเครื่องนี้เก่าเกินไป จึงไม่อ่านบัตร กรุณาแจ้งผู้ดูแลเครื่อง",
        "asked for more than the purpose may read, or this program is too old; no card is read, "
        "tell whoever looks after this PC",
    ),
    Fault.server_not_pinned: (
        "เครื่องนี้ลงทะเบียนก่อนมีการตรวจกุญแจแม่ข่าย จึงไม่อ่านบัตร กรุณาแจ้งผู้ดูแลเครื่องให้ลงทะเบียนใหม่",
        "this PC was enrolled before servers were known by a key; no card is read, tell whoever "
        "looks after it to enrol it anew: reader-bridge enrol",
    ),
    Fault.failed: (
        "อ่านไม่สำเร็จ กรุณาดึงบัตรออกแล้วเสียบใหม่ หากเกิดซ้ำให้แจ้งผู้ดูแลเครื่อง",
        "it failed; take the card out and put it in again, and tell whoever looks after this PC "
        "if it goes on",
    ),
}
"""What happened, and what to do now: Thai, English."""


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
