"""docs/reader-evidence.md: what each purpose may read, what is kept how long, what is proven."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from api.readers.channel import photos
from api.readers.model import (
    INTENT_FOR,
    INTENT_KEPT_FOR,
    LEVEL_TH,
    PASSED_ON_FOR,
    PASSED_ON_LATE_FOR,
    POLICIES,
    STATEMENT_KEPT_FOR,
    TICKET_FOR,
    TICKET_KEPT_FOR,
    Level,
    Purpose,
)
from api.readers.uses.binding import CODE_FOR
from reader_bridge.fields import Field

FIELD_TH: Final[dict[Field, str]] = {
    Field.cid: "เลขประจำตัวประชาชน",
    Field.name_th: "ชื่อภาษาไทย",
    Field.name_en: "ชื่อภาษาอังกฤษ",
    Field.birth: "วันเกิด",
    Field.address: "ที่อยู่",
    Field.expires: "วันหมดอายุ",
}
"""The fields that some purpose may read; no purpose reads the others."""
PURPOSE_EN: Final[dict[Purpose, str]] = {
    Purpose.identify_complainant: "Identify a complainant at the counter",
    Purpose.serve_order: "Prove service of an order",
    Purpose.bind_account: "Bind a person to an i-Industry account",
    Purpose.confirm_officer: "Confirm an officer",
    Purpose.map_desk: "Map a reader to a desk",
}
ABOUT: Final[dict[str, str]] = {
    "legal_order": "คำสั่ง · an order",
    "officer": "รายชื่อเจ้าหน้าที่ · a line of the officers' list",
    "desk": "โต๊ะ · a desk",
}
PROVES: Final[dict[Level, tuple[str, str, str, str]]] = {
    "chip-bytes": (
        "เครื่องที่ลงทะเบียนไว้อ่านข้อมูลชุดนี้จากสิ่งที่อยู่ในเครื่องอ่าน ตามคำขอนี้ ครั้งนี้",
        "ชิปเป็นของแท้ ผู้ถือบัตรอยู่ที่นั่น หรือบัตรยังไม่ถูกยกเลิก",
        "an enrolled device read these bytes from something in its reader, for this request",
        "that the chip is genuine, that its holder is there, or that the card is not revoked",
    ),
    "document-seen": (
        "เจ้าหน้าที่บอกว่าเห็นเอกสารนี้ และบอกว่าเหตุใดจึงไม่ได้อ่านชิป",
        "สิ่งใดที่เครื่องอ่านได้เอง ไม่มีสำเนาให้ตรวจภายหลัง",
        "the officer says that they saw this document, and why no chip was read",
        "anything that a machine read; there is no copy to look at later",
    ),
    "officer-face-match": (
        "เจ้าหน้าที่เทียบใบหน้ากับรูปแล้ว และบันทึกในชื่อของตนว่าตรงกัน",
        "การจดจำใบหน้าด้วยเครื่อง หรือว่ารูปบนชิปเป็นของแท้",
        "the officer compared face and photograph, and says in their own name that they match",
        "a machine's recognition, or that the photograph on the chip is genuine",
    ),
    "dopa-status": (
        "ทะเบียนของกรมการปกครองตอบว่าบัตรนี้ยังใช้ได้ ณ เวลาที่ถาม",
        "ผู้ที่อยู่ตรงนั้นเป็นเจ้าของบัตร",
        "the register answered that the card was good when it was asked",
        "that whoever is there is the card's owner",
    ),
    "rmac-online": (
        "ทะเบียนของกรมการปกครองยืนยันชิปใบนี้โดยตรง",
        "ผู้ที่อยู่ตรงนั้นเป็นเจ้าของบัตร หรือมีอำนาจทำการแทนผู้อื่น",
        "the register confirmed the chip itself",
        "that whoever is there is the card's owner, or may act for anybody",
    ),
}
"""Level → what it proves and what not, in Thai; the same in English."""
USES: Final[tuple[tuple[str, str], ...]] = (
    (
        "การอ่านหนึ่งครั้งใช้ได้กับเรื่องเดียว ครั้งเดียว โดยเจ้าหน้าที่ที่ขออ่าน",
        "A reading serves one thing, once, of the officer who asked for it.",
    ),
    (
        "บัตรไม่พิสูจน์อำนาจ ฐานะของผู้รับ (กรรมการ ผู้รับมอบอำนาจ ผู้ใหญ่ในสถานที่) บันทึกไว้ข้างกัน",
        "A card proves no authority: the capacity (director, attorney, adult on site) stands "
        "beside it.",
    ),
    (
        "ผูกบัญชีและยืนยันเจ้าหน้าที่ต้องอ่านชิป เทียบใบหน้าแล้ว และบัตรไม่หมดอายุ เอกสารที่เห็นอย่างเดียวไม่พอ",
        "To bind an account or confirm an officer, a chip must have been read, the face compared, "
        "and the card not expired; a document that was only seen is not enough.",
    ),
    (
        "รูปถ่ายแสดงบนจอได้ แต่ไม่เก็บไว้ที่ใด เลขประจำตัวไม่อยู่ในบันทึกเหตุการณ์และบันทึกระบบ",
        "The photograph may be shown and is kept nowhere; no number stands in an event or a log.",
    ),
    (
        "การอ่านแบบออฟไลน์มีป้ายบอก เวลาที่อ่านเป็นเวลาของเครื่องนั้น",
        "A reading that came offline says so; when it was read is that device's word.",
    ),
    (
        "บัตรที่อ่านออฟไลน์โดยชอบยังเก็บไว้ แม้ก่อนส่งถึงแม่ข่ายเจ้าหน้าที่ย้าย (`officer:moved`) พ้นหน้าที่หรือถูกระงับ "
        "(`officer:left`) หรือโต๊ะถูกยกเลิก (`desk:ended`) และมีป้ายบอก ใช้ได้เฉพาะเจ้าหน้าที่คนนั้นเท่าที่ยังมีสิทธิ "
        "บัตรที่อ่านหลังสิทธิสิ้นสุดไม่รับ",
        "A card that was read offline in good right is kept, and says so, though its officer was "
        "moved (`officer:moved`), left or was suspended (`officer:left`), or its desk ended "
        "(`desk:ended`) before it arrived; that officer alone can use it, as far as they still "
        "may. What was read after the right had ended is refused.",
    ),
    (
        "คำสั่งที่พิสูจน์ด้วยบัตรไม่นับว่าแจ้งก่อนเวลาที่อ่านบัตร (พ.ร.บ.วิธีปฏิบัติราชการทางปกครอง พ.ศ. 2539 มาตรา 42)",
        "An order that a card proves the service of counts as served no earlier than the card was "
        "read (Administrative Procedure Act B.E. 2539, s.42).",
    ),
    (
        "บัตรของเจ้าหน้าที่ผู้อ่านเอง และเครื่องที่ถูกระงับหรือเพิกถอนหลังอ่าน มีป้ายบอกเมื่อใช้การอ่านนั้น",
        "The reading officer's own card, and a device that was frozen or revoked since, are told "
        "with the reading when it is used.",
    ),
    (
        "บัตรใบเดียวกันที่สองสำนักงาน: ถือว่าเป็นไปไม่ได้เมื่อเร็วกว่า 120 กม./ชม. เป็นเส้นตรง และเร็วกว่า "
        "90 นาทีกับ 700 กม./ชม. ระหว่างที่ตั้งจังหวัดที่ใกล้กันที่สุดของสองสำนักงาน หักออก 20 กม. "
        "เทียบกับทุกสำนักงานใน 4 ชั่วโมงก่อนหน้า แม้เปลี่ยนกุญแจดัชนีระหว่างนั้น",
        "One card at two offices counts as impossible where it would be faster than 120 km/h in a "
        "straight line, and than 90 minutes and then 700 km/h, between the nearest seats of the "
        "two offices' provinces, less 20 km. Each reading is held against every office of the four "
        "hours before, also across a rotation of the index key.",
    ),
)


def _span(of: timedelta) -> str:
    seconds = int(of.total_seconds())
    for size, th, en in ((86400, "วัน", "days"), (3600, "ชั่วโมง", "hours"), (60, "นาที", "minutes")):
        if seconds % size == 0:
            return f"{seconds // size:,} {th} · {en}"
    return f"{seconds} วินาที · seconds"


def _fields(of: frozenset[Field]) -> str:
    named = [f for f in FIELD_TH if f in of]
    if set(named) != of:
        raise KeyError("a purpose reads a field that FIELD_TH does not name")
    return "<br>".join(f"{FIELD_TH[f]} `{f}`" for f in named) or "–"


def page() -> str:
    """The page as the policies are now."""
    said = {True: "ได้ · yes", False: "ไม่ได้ · no"}
    lines = [
        "# การอ่านบัตร: อ่านอะไร เก็บนานเท่าใด พิสูจน์อะไร · What a reading reads, keeps and proves",
        "",
        "เขียนจากโค้ดด้วย `make docs` · Written from the code by `make docs`",
        "",
        "## วัตถุประสงค์ · Purposes",
        "",
        "| วัตถุประสงค์ · Purpose | อ่านได้ไม่เกิน · May read | อ่านเมื่อไม่ระบุ · Read if nothing is said"
        " | รูป · Photo shown | เอกสารที่เห็น · Document seen | ออฟไลน์ · Offline"
        " | สำหรับ · For | เก็บ · Kept |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for purpose, policy in POLICIES.items():
        about = "–" if policy.about is None else ABOUT[policy.about]
        lines.append(
            f"| {policy.th} · {PURPOSE_EN[purpose]} `{purpose}` | {_fields(policy.fields)} | "
            f"{_fields(policy.needed)} | {said[policy.photo]} | {said[policy.seen]} | "
            f"{said[policy.offline]} | {about} | "
            f"{_span(policy.keep)} |"
        )
    lines += [
        "",
        "เก็บ: วัตถุประสงค์ ใคร ที่ไหน เมื่อใด ระดับหลักฐาน ดัชนีที่มีกุญแจ และเลขประจำตัวที่ปิดผนึก เมื่อครบกำหนด"
        "ทำลายกุญแจของการอ่านนั้น ชื่อและที่อยู่เก็บโดยเรื่องที่ใช้ หากจำเป็น",
        "",
        "Kept: purpose, who, where, when, evidence levels, keyed indexes and the sealed number; at "
        "the end the reading's own key is destroyed. Names and addresses are kept by the record "
        "that the reading serves, if at all.",
        "",
        "## ระยะเวลา · How long",
        "",
        "| สิ่ง · What | นาน · For |",
        "|---|---|",
        f"| รอเสียบบัตร · Waiting for a card | {_span(INTENT_FOR)} |",
        "| ข้อมูลที่อ่านแสดงต่อผู้ขอ และใช้ได้ · What was read is shown to whoever asked, and can be used"
        f" | {_span(PASSED_ON_FOR)} |",
        "| ที่อ่านแบบออฟไลน์ นับแต่มาถึง · What came offline, from its arrival"
        f" | {_span(PASSED_ON_LATE_FOR)} |",
        f"| รูปถ่ายในหน่วยความจำ · The photograph, in memory alone | {_span(photos.SHOWN_FOR)} |",
        f"| ตั๋วออฟไลน์ · An offline ticket | {_span(TICKET_FOR)} |",
        f"| ประวัติการรอเสียบบัตร · How a card was waited for | {_span(INTENT_KEPT_FOR)} |",
        "| ตั๋วออฟไลน์ที่สิ้นสุดแล้ว อย่างน้อย · An offline ticket that is over, at least"
        f" | {_span(TICKET_KEPT_FOR)} |",
        "| ลำดับและแฮชของคำแถลงของเครื่อง · Number and hash of a device's statement"
        f" | {_span(STATEMENT_KEPT_FOR)} |",
        f"| รหัสของเจ้าของบัญชี · An account holder's code | {_span(CODE_FOR)} |",
        "",
        "## ระดับหลักฐาน · Evidence levels",
        "",
        "| ระดับ · Level | พิสูจน์ · Proves | ไม่พิสูจน์ · Does not prove |",
        "|---|---|---|",
    ]
    for level, (proves_th, not_th, proves, not_) in PROVES.items():
        lines.append(
            f"| `{level}`<br>{LEVEL_TH[level]} | {proves_th}<br>{proves} | {not_th}<br>{not_} |"
        )
    lines += [
        "",
        "`dopa-status` และ `rmac-online` มาจากการเชื่อมต่อกับกรมการปกครอง ซึ่งยังไม่มี",
        "",
        "`dopa-status` and `rmac-online` come from a connector to the register, which there is not "
        "yet.",
        "",
        "## การใช้ · Use",
        "",
    ]
    for th, en in USES:
        lines += [f"- {th}", f"  {en}"]
    return "\n".join(lines) + "\n"
