"""How the uses of a reading refuse."""

from __future__ import annotations

from api.problems import Conflict, Invalid, NotFound


class AccountCodeMistyped(
    Invalid,
    code="readers/account-code-mistyped",
    th="พิมพ์รหัสของเจ้าของบัญชีผิด กรุณาตรวจทีละตัว",
    en="A character of the account holder's code is mistyped",
):
    """The check character does not fit; this is not counted as a wrong code."""


class AccountCodeNotFound(
    NotFound,
    code="readers/account-code-not-found",
    th="ไม่พบรหัสนี้ หรือรหัสหมดอายุหรือถูกใช้แล้ว ให้เจ้าของบัญชีขอรหัสใหม่",
    en="No account shows this code, or it is over or used; let the account holder ask for another",
):
    """A code is good for ten minutes and one card. Wrong ones are counted, by account and by
    network."""


class ReadingNotEnough(
    Conflict,
    code="readers/reading-not-enough",
    th="การอ่านบัตรนี้ใช้ยืนยันตัวบุคคลไม่ได้ ({reason})",
    en="This reading does not say who the person is ({reason})",
):
    """`reason`: `device` (its device was frozen or revoked since), `no_number` or `no_expiry` (the
    number, or until when the card is good, was not read), `expired`, or `face` (the officer has
    not said that face and photograph match)."""


class OwnCard(
    Conflict,
    code="readers/own-card",
    th="เจ้าหน้าที่ยืนยันตัวตนของตนเองไม่ได้ ให้เจ้าหน้าที่คนอื่นทำ",
    en="An officer cannot confirm themselves; let a colleague do it",
):
    """The account, or the line of the officers' list, is the caller's own."""


class OfficerNotComparable(
    Conflict,
    code="readers/officer-not-comparable",
    th="ยืนยันเจ้าหน้าที่รายนี้จากบัตรไม่ได้ ({reason})",
    en="This officer cannot be confirmed by a card ({reason})",
):
    """`reason`: `ended` (no longer listed) or `no_number` (listed by e-mail or officer number; the
    administrator adds the national ID)."""


class OfficerDiffers(
    Conflict,
    code="readers/officer-differs",
    th="บัตรนี้เป็นของบุคคลอื่น ไม่ใช่เจ้าหน้าที่รายนี้ในบัญชีรายชื่อ",
    en="This card is of another person than the officer on the list",
):
    """Kept as an event, with neither number; the reading is used up."""
