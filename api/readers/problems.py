"""How bridges, desks, intents and readings refuse."""

from __future__ import annotations

from api.problems import Conflict, Forbidden, Invalid, NotFound, Unauthenticated


class BridgeNotFound(
    NotFound,
    code="readers/bridge-not-found",
    th="ไม่พบเครื่องอ่านบัตรเครื่องนี้",
    en="No such bridge",
):
    """Unknown, or of an office out of reach."""


class BridgeUnknown(
    Unauthenticated,
    code="readers/bridge-unknown",
    th="ไม่รู้จักเครื่องนี้ กรุณาลงทะเบียนใหม่",
    en="This device is not known, or its signature does not stand; enrol it anew",
):
    """What a device sends is signed with the key that was approved, over a fresh challenge."""


class BridgeEnded(
    Forbidden,
    code="readers/bridge-ended",
    th="เครื่องนี้ถูกระงับหรือเพิกถอนแล้ว ({state})",
    en="This device is {state}",
):
    """`state`: frozen or revoked."""


class BridgeForked(
    Forbidden,
    code="readers/bridge-forked",
    th="พบว่ากุญแจของเครื่องนี้ถูกใช้จากสองที่ จึงระงับไว้ ({kind})",
    en="The key of this device has two histories; it is frozen ({kind})",
):
    """A clone, a restored backup, or a replay; kept as an incident."""


class DeskNotFound(
    NotFound,
    code="readers/desk-not-found",
    th="ไม่พบโต๊ะนี้",
    en="No such desk",
):
    """Unknown, ended, or of an office out of reach."""


class DeskWithoutReader(
    Conflict,
    code="readers/desk-without-reader",
    th="โต๊ะนี้ยังไม่มีเครื่องอ่านบัตร ({reason})",
    en="This desk has no reader that can be used ({reason})",
):
    """`reason`: `unmapped` (put a card in to map it), `away` (the reader is not attached) or
    `offline` (its PC is not connected)."""


class ReaderBusy(
    Conflict,
    code="readers/reader-busy",
    th="เครื่องอ่านบัตรนี้กำลังรอบัตรของผู้อื่น",
    en="Somebody else waits for a card in this reader",
    constraints=("intent_reader_free", "intent_mapping_free"),
):
    """One open intent a reader; it ends by itself after 90 seconds."""


class IntentNotFound(
    NotFound,
    code="readers/intent-not-found",
    th="ไม่พบรายการรออ่านบัตรนี้",
    en="No such intent",
):
    """Unknown, or of another session."""


class IntentExists(
    Conflict,
    code="readers/intent-exists",
    th="มีรายการรออ่านบัตรหมายเลขนี้แล้ว โดยมีเนื้อหาต่างกัน",
    en="An intent of this id exists with other content",
    constraints=("intent_pkey",),
):
    """The sender's id stands for one intent."""


class IntentOver(
    Conflict,
    code="readers/intent-over",
    th="รายการรออ่านบัตรสิ้นสุดแล้ว ({state})",
    en="The intent is over ({state})",
):
    """It was delivered, cancelled, or its 90 seconds are over."""


class FieldsNotAllowed(
    Invalid,
    code="readers/fields-not-allowed",
    th="วัตถุประสงค์นี้อ่านข้อมูลเหล่านี้ไม่ได้: {fields}",
    en="This purpose may not read: {fields}",
):
    """What each purpose may read is in the handbook."""


class AboutNeeded(
    Invalid,
    code="readers/about-needed",
    th="ต้องระบุว่าอ่านบัตรเพื่อเรื่องใด ({kind})",
    en="Say what the reading is for ({kind})",
):
    """`about` is the id of the record that the reading will serve."""


class SessionOver(
    Conflict,
    code="readers/session-over",
    th="ผู้รออ่านบัตรออกจากระบบแล้ว จึงไม่รับข้อมูลบัตร",
    en="Whoever waited for the card has signed out; nothing was kept",
):
    """A reading is released to a live session alone."""


class NonceWrong(
    Conflict,
    code="readers/nonce-wrong",
    th="ข้อมูลไม่ตรงกับรายการรออ่านบัตร",
    en="The statement does not belong to this intent",
):
    """Another nonce, device, reader or purpose than the intent's: relayed or forged."""


class PayloadWrong(
    Invalid,
    code="readers/payload-wrong",
    th="ข้อมูลบัตรเปิดอ่านไม่ได้ หรือไม่ตรงกับที่ลงนาม",
    en="The payload does not open, is not what was signed, or holds more than was asked for",
):
    """Sealed to another key, intent or device; or it carries fields that nobody asked for."""


class TicketUsed(
    Conflict,
    code="readers/ticket-used",
    th="ตั๋วออฟไลน์นี้ถูกใช้แล้ว หมดอายุ หรือถูกยกเลิก",
    en="This offline ticket was used, has expired or is void",
):
    """A ticket is good for one card, at most twelve hours, at the device it was given to."""


class ReadingNotFound(
    NotFound,
    code="readers/reading-not-found",
    th="ไม่พบการอ่านบัตรนี้",
    en="No such reading",
):
    """Unknown, erased, or of another session."""


class ReadingUsed(
    Conflict,
    code="readers/reading-used",
    th="การอ่านบัตรนี้ถูกใช้ไปแล้ว ({used_for})",
    en="This reading has served its purpose already ({used_for})",
):
    """A reading serves one purpose once."""


class ReadingForOther(
    Conflict,
    code="readers/reading-for-other",
    th="การอ่านบัตรนี้มีวัตถุประสงค์อื่น ({purpose})",
    en="This reading was made for something else ({purpose})",
):
    """The purpose, or the record it was made for, is another."""


class ReadingStale(
    Conflict,
    code="readers/reading-stale",
    th="การอ่านบัตรนี้เก่าเกินไป กรุณาอ่านใหม่",
    en="This reading is too old to be used; read the card again",
):
    """It may be used within an hour of its arrival."""


class ReadingExists(
    Conflict,
    code="readers/reading-exists",
    th="มีบันทึกหมายเลขนี้แล้ว โดยมีเนื้อหาต่างกัน",
    en="A reading of this id exists with other content",
    constraints=("reading_pkey",),
):
    """The sender's id stands for one document that was seen."""


class ReadingFaceDiffers(
    Conflict,
    code="readers/reading-face-differs",
    th="เจ้าหน้าที่บันทึกว่าใบหน้าไม่ตรงกับรูป จึงใช้การอ่านบัตรนี้ไม่ได้",
    en="The officer said that the face differs; this reading cannot be used",
):
    """Read the card of whoever is there."""


class TicketsTooMany(
    Conflict,
    code="readers/tickets-too-many",
    th="เครื่องนี้มีตั๋วออฟไลน์ที่ยังไม่ใช้มากเกินไป (ไม่เกิน {limit})",
    en="This device holds too many unused offline tickets (at most {limit})",
):
    """Tickets end by themselves after twelve hours."""


class PurposeNotOffline(
    Invalid,
    code="readers/purpose-not-offline",
    th="วัตถุประสงค์นี้อ่านแบบออฟไลน์ไม่ได้",
    en="This purpose cannot be read for without the server",
):
    """Binding an account and confirming an officer are decided by what the server knows."""


class PhotoGone(
    NotFound,
    code="readers/photo-gone",
    th="ไม่มีภาพถ่าย ยังมาไม่ถึง หรือหมดเวลาแสดงแล้ว",
    en="There is no photograph: not asked for, not here yet, or no longer shown",
):
    """It is shown for 90 seconds and kept nowhere."""


class ChallengeOver(
    Unauthenticated,
    code="readers/challenge-over",
    th="คำท้าหมดอายุ กรุณาขอใหม่",
    en="The challenge is over or not ours; ask for a new one",
):
    """A hello of the HTTP fall-back signs a challenge of the last five minutes."""
