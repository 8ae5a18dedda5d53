"""How bridges, desks, intents and readings refuse."""

from __future__ import annotations

from api.problems import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TooMany,
    Unauthenticated,
)


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


class BridgeElsewhere(
    Conflict,
    code="readers/bridge-elsewhere",
    th="เครื่องนี้เชื่อมต่อจากที่อื่นแล้ว กรุณาเชื่อมต่อใหม่",
    en="This device has gone on meanwhile; connect anew",
):
    """A hello older than what was heard of the device since: it came late, or two have one key.
    Over a new challenge it shows which."""


class KeyTaken(
    Conflict,
    code="readers/key-taken",
    th="กุญแจนี้เป็นของเครื่องที่ลงทะเบียนแล้ว กรุณาสร้างกุญแจใหม่",
    en="This key is a device's already; make a new one",
    constraints=("bridge_key_once",),
):
    """Also of one that was revoked: it enrols under a new key."""


class EnrolmentWrong(
    Invalid,
    code="readers/enrolment-wrong",
    th="คำขอลงทะเบียนเครื่องอ่านบัตรไม่ถูกต้อง ({reason})",
    en="The enrolment does not stand ({reason})",
):
    """`reason`: `signature` (not by the key that it presents), `key` (not one that proves
    anything), `server` (it has seen another identity than this server's: the program is too old, or
    somebody stands in between) or `audience` (made for another server; `audience` is this one's).
    """


class EnrolmentNotFound(
    NotFound,
    code="readers/enrolment-not-found",
    th="ไม่พบรหัสลงทะเบียนนี้ หรือรหัสหมดอายุแล้ว",
    en="No device shows this code, or the code has expired",
):
    """Wrong codes are counted, by account and by network."""


class CodeMistyped(
    Invalid,
    code="readers/code-mistyped",
    th="พิมพ์รหัสผิด กรุณาตรวจทีละตัว",
    en="A character of the code is mistyped",
):
    """The check character does not fit; this is not counted as a wrong code."""


class EnrolmentOver(
    Conflict,
    code="readers/enrolment-over",
    th="คำขอลงทะเบียนนี้สิ้นสุดแล้ว ({state})",
    en="This enrolment is over ({state})",
):
    """It was approved, refused, locked by wrong fingerprints, or its fifteen minutes are over."""


class FingerprintWrong(
    Conflict,
    code="readers/fingerprint-wrong",
    th="ลายนิ้วมือของกุญแจไม่ตรงกับที่หน้าจอเครื่องนั้นแสดง (เหลืออีก {left} ครั้ง)",
    en="The fingerprint is not that of the device which asked ({left} tries left)",
):
    """The first twelve hexadecimal digits that the PC shows; the fifth wrong try locks the code.
    Typed as they stand there and wrong all the same: somebody stands between it and the server."""


class OfficeOutOfReach(
    Invalid,
    code="readers/office-out-of-reach",
    th="ไม่มีสำนักงานนี้ในขอบเขตของท่าน",
    en="There is no such office within your reach",
):
    """Devices and desks are given to an office that the caller looks after."""


class IncidentNotFound(
    NotFound,
    code="readers/incident-not-found",
    th="ไม่พบเหตุการณ์นี้",
    en="No such incident",
):
    """Unknown, or of an office out of reach."""


class DeskNotFound(
    NotFound,
    code="readers/desk-not-found",
    th="ไม่พบโต๊ะนี้",
    en="No such desk",
):
    """Unknown, ended, or of an office out of reach."""


class DeskExists(
    Conflict,
    code="readers/desk-exists",
    th="มีโต๊ะชื่อนี้ หรือหมายเลขนี้ในสำนักงานแล้ว",
    en="The office has a desk of this name, or this id stands for another desk",
    constraints=("desk_pkey", "desk_name_once"),
):
    """The sender's id stands for one desk; a desk that has ended frees its name."""


class ReaderElsewhere(
    Conflict,
    code="readers/reader-elsewhere",
    th="เครื่องอ่านบัตรนี้อยู่คนละสำนักงานกับโต๊ะ",
    en="This reader is at another office than the desk",
):
    """A desk has a reader of its own office."""


class DeskHeld(
    Conflict,
    code="readers/desk-held",
    th="เครื่องอ่านหรือโต๊ะนี้จับคู่ไว้แล้ว ต้องให้ผู้มีสิทธิ์แก้ไขโต๊ะจับคู่ใหม่",
    en="This reader, or this desk, is mapped already; somebody who may edit desks maps it anew",
):
    """Whoever waits for cards maps a free reader to a desk without one, not a colleague's."""


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
    th="เครื่องอ่านบัตรนี้กำลังรอบัตรอยู่แล้ว",
    en="A card is waited for in this reader already",
    constraints=("intent_reader_free", "intent_mapping_free"),
):
    """One open intent a reader: a colleague's, or an earlier one of the caller's own, which they
    find in their list and cancel. It ends by itself after 90 seconds."""


class TooManyScreens(
    TooMany,
    code="readers/too-many-screens",
    th="เปิดหน้าจอรับบัตรไว้มากเกินไป หน้าจอนี้จึงหยุดรับ",
    en="Too many windows of this session follow its cards; this one has stopped",
):
    """Told on the stream of the window that was opened first; it does not come back by itself."""


class TooManyWaits(
    TooMany,
    code="readers/too-many-waits",
    th="มีคำขอที่รออยู่มากเกินไป กรุณารอ {retry_after_s} วินาที",
    en="Too many requests of this session wait already; please wait {retry_after_s} seconds",
):
    """Follow the stream of events instead: one for all intents of the session."""


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
    """It may be used within fifteen minutes of its arrival, offline within seven days."""


class ReadingExists(
    Conflict,
    code="readers/reading-exists",
    th="มีบันทึกหมายเลขนี้แล้ว โดยมีเนื้อหาต่างกัน",
    en="A reading of this id exists with other content",
    constraints=("reading_pkey",),
):
    """The sender's id stands for one document that was seen."""


class ChipNeeded(
    Invalid,
    code="readers/chip-needed",
    th="วัตถุประสงค์นี้ต้องอ่านชิปของบัตร เอกสารที่เห็นอย่างเดียวใช้ไม่ได้",
    en="This purpose needs a chip that was read; a document that was only seen will not do",
):
    """So nothing is kept of the document either."""


class ReadingFaceDiffers(
    Conflict,
    code="readers/reading-face-differs",
    th="เจ้าหน้าที่บันทึกว่าใบหน้าไม่ตรงกับรูป จึงใช้การอ่านบัตรนี้ไม่ได้",
    en="The officer said that the face differs; this reading cannot be used",
):
    """Read the card of whoever is there."""


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
    """A hello of the HTTP fall-back signs a challenge of the last minute."""
