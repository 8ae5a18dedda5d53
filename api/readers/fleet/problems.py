"""How the fleet refuses."""

from __future__ import annotations

from api.problems import Conflict, Invalid, NotFound


class AgencyNotFound(
    NotFound,
    code="readers/no-such-agency",
    th="ไม่พบหน่วยงานรหัส {agency} ในบัญชีผู้ใช้เครื่องอ่านบัตร",
    en="There is no agency {agency} among those with card readers",
):
    """The code names no agency, or a unit was named without its agency."""


class AgencyCodeWrong(
    Invalid,
    code="readers/agency-code-wrong",
    th="รหัสหน่วยงานใช้ได้เฉพาะ a-z 0-9 และ - ไม่เกิน 40 ตัว",
    en="An agency's code has small letters, digits and -, 40 at most",
    constraints=("reader_agency_code",),
):
    """The code stands in addresses and in files."""


class DayWrong(
    Invalid,
    code="readers/day-wrong",
    th="วันที่ของหนังสือไม่ถูกต้อง ใช้ปี ค.ศ. และไม่เป็นวันในอนาคต",
    en="The letter's day is wrong: a year C.E., and no day to come",
):
    """From the year 2000 to today in Bangkok; a year of the Buddhist Era is a day to come."""


class UnitNotFound(
    NotFound,
    code="readers/no-such-unit",
    th="ไม่พบหน่วยที่ระบุ",
    en="There is no such unit",
):
    """No office of this id, or not the caller's own."""


class UnitNeeded(
    Invalid,
    code="readers/unit-needed",
    th="กรุณาระบุหน่วยที่รับเครื่องอ่านบัตร",
    en="Say which unit holds the readers",
):
    """A confirmation is of a unit: name an office, or an agency and its unit."""


class RequestNotFound(
    NotFound,
    code="readers/no-such-request",
    th="ไม่พบรายการขอเครื่องอ่านบัตร",
    en="There is no such request for card readers",
):
    """Nothing by this id that the caller may know of."""


class RequestTaken(
    Conflict,
    code="readers/request-taken",
    th="มีรายการขอของหน่วยนี้ตามหนังสือฉบับนี้แล้ว",
    en="This letter has a line for this unit already",
    constraints=("reader_request_once",),
):
    """A letter has one line a unit; or the id is another line's."""


class RequestMoveImpossible(
    Conflict,
    code="readers/request-move-impossible",
    th="รายการขออยู่ในสถานะ {state} ทำรายการ {verb} ไม่ได้",
    en="The request is {state}; {verb} is impossible",
):
    """`REQUEST_MOVES` has no such move."""


class AssetNotFound(
    NotFound,
    code="readers/no-such-reader",
    th="ไม่พบเครื่องอ่านบัตร",
    en="There is no such card reader",
):
    """Nothing by this id that the caller may know of."""


class AssetMoveImpossible(
    Conflict,
    code="readers/move-impossible",
    th="เครื่องอ่านบัตรอยู่ในสถานะ {state} ทำรายการ {verb} ไม่ได้",
    en="The reader is {state}; {verb} is impossible",
):
    """`MOVES` has no such move; or the reader that should replace it does not exist."""


class SerialUnreadable(
    Invalid,
    code="readers/serial-unreadable",
    th="หมายเลขเครื่องอ่านไม่ได้: {serials}",
    en="Not a serial number: {serials}",
):
    """A serial has 4 to 64 Latin letters or digits, and spaces or . _ / : # + - between them."""


class SerialsTaken(
    Conflict,
    code="readers/serials-taken",
    th="หมายเลขเครื่องเหล่านี้จัดสรรไปแล้ว: {serials}",
    en="These serial numbers are allocated already: {serials}",
):
    """At most 20 of them are named. Nothing of the allocation was stored."""


class TooManySerials(
    Invalid,
    code="readers/too-many-serials",
    th="หมายเลขเครื่อง {serials} เครื่อง มากกว่าจำนวนที่จัดสรร {allocated} เครื่อง",
    en="{serials} serial numbers for {allocated} readers",
):
    """With those of earlier allocations there are more serials than readers were granted."""


class FileNotUnderstood(
    Invalid,
    code="readers/file-not-understood",
    th="อ่านแฟ้มไม่ได้: {reason_th}",
    en="The file cannot be read: {reason_en}",
):
    """As a whole: a column is missing, or it has more than 5,000 lines (use the command)."""
