"""What an account is: Structs for wire and row, the feature's problems, pure rules."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from api import clock
from api.clock import Moment
from api.permissions import Role
from api.problems import Conflict, Forbidden, Invalid, NotFound, Unauthenticated

OFFICER_ROLES: Final = frozenset(Role) - {Role.operator, Role.citizen}
"""What an administrator may give; `operator` and `citizen` follow from the facts."""


class Status(StrEnum):
    active = "active"
    suspended = "suspended"
    closed = "closed"


class OfficeKind(StrEnum):
    pio = "pio"  # สำนักงานอุตสาหกรรมจังหวัด
    diw = "diw"  # กรมโรงงานอุตสาหกรรม
    ieat = "ieat"  # การนิคมอุตสาหกรรมแห่งประเทศไทย
    ministry = "ministry"
    local = "local"  # องค์กรปกครองส่วนท้องถิ่น, s.11/1


class Power(StrEnum):
    """What a dated authority lets an officer do (Factory Act B.E. 2535)."""

    sign_order = "sign_order"  # s.37 ¶1
    approve_sealing = "approve_sealing"  # s.37 ¶2
    stop_operation = "stop_operation"  # s.39
    unseal = "unseal"  # open a complainant's identity
    moderate = "moderate"


class Capacity(StrEnum):
    director = "director"
    employee = "employee"
    agent = "agent"


class EndReason(StrEnum):
    """Why a session ended."""

    signed_out = "signed_out"
    lost_device = "lost_device"
    ended_elsewhere = "ended_elsewhere"
    token_reused = "token_reused"  # noqa: S105 the name of a reason
    code_reused = "code_reused"
    suspended = "suspended"


NO_NUL: Final = r"^[^\x00]*$"  # PostgreSQL keeps every character but this one
Text = Annotated[str, Meta(min_length=1, max_length=200, pattern=NO_NUL)]
Note = Annotated[str, Meta(max_length=200, pattern=NO_NUL)]


class Office(msgspec.Struct):
    id: UUID
    code: str
    kind: OfficeKind
    name_th: str
    name_en: str
    provinces: list[str]


class OfficeEntry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What an office is called, and the provinces (DOPA codes) that its officers may act in."""

    kind: OfficeKind
    name_th: Text
    name_en: Text
    provinces: Annotated[list[Annotated[str, Meta(pattern="^[0-9]{2}$")]], Meta(max_length=77)]


class Company(msgspec.Struct):
    id: UUID
    juristic_id: str
    name_th: str
    name_en: str


class Me(msgspec.Struct):
    """Who the caller is to this server. `name` is an officer's listed name, else null."""

    account: UUID
    session: UUID
    roles: list[Role]
    office: Office | None
    companies: list[Company]
    name: str | None = None
    position: str | None = None


class Profile(msgspec.Struct):
    """The caller's own sealed data; `cid_masked` shows the last four digits. `verified_at`: when
    an officer last read their card for this account."""

    name_th: str | None
    name_en: str | None
    cid_masked: str | None
    verified_at: Moment | None = None


class Device(msgspec.Struct):
    """One of an account's sessions, as its owner sees it."""

    id: UUID
    client: str
    device_name: str
    created_at: Moment
    last_seen_at: Moment
    ended_at: Moment | None
    end_reason: EndReason | None
    wipe: bool
    current: bool = False


class OfficerEntry(msgspec.Struct, kw_only=True):
    """A line of the administrator's list. One of `cid`, `number`, `email` says who it is."""

    office: Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$", description="its code, e.g. pio-11")]
    name: Text
    position: Note = ""
    name_en: Note | None = None
    position_en: Note | None = None
    """In English, for documents in that language; null leaves what is listed."""
    roles: Annotated[list[Role], Meta(min_length=1, max_length=8)]
    cid: str | None = None
    number: Annotated[str, Meta(max_length=40)] | None = None
    email: Annotated[str, Meta(max_length=254)] | None = None
    ended: bool = False
    """True takes the roles away: a leaver."""


class Officer(msgspec.Struct):
    """As listed; what identifies them at sign-in is kept as keyed hashes only. `confirmed_at`: when
    a card at the counter was the one of whom the line names."""

    id: UUID
    office: UUID
    name: str
    position: str
    roles: list[str]
    account: UUID | None
    bound_at: Moment | None
    ended_at: Moment | None
    version: int
    name_en: str = ""
    position_en: str = ""
    confirmed_at: Moment | None = None


class OfficerCard(msgspec.Struct, frozen=True):
    """How an officer stands on what they sign, in public; English is empty where none is listed."""

    account: UUID
    name_th: str
    name_en: str
    position_th: str
    position_en: str
    office: UUID
    office_th: str
    office_en: str
    ended_at: datetime | None


class RejectedLine(msgspec.Struct):
    line: int
    reason: str


class ImportReport(msgspec.Struct):
    listed: int
    changed: int
    unchanged: int
    rejected: list[RejectedLine]


class Authority(msgspec.Struct):
    """A dated grant. `classes` and `area` (province codes) null: no limit in that direction."""

    id: UUID
    account: UUID
    power: Power
    section: str
    classes: list[int] | None
    area: list[str] | None
    instrument: str
    valid_from: date
    valid_to: date | None
    revoked_at: Moment | None = None

    def covers(self, day: date, *, factory_class: int | None, province: str | None) -> bool:
        """Whether it held on the Bangkok date `day` for that class and province.

        One that is revoked still counts for the days before that day.
        """
        revoked = None if self.revoked_at is None else clock.bangkok_date(self.revoked_at)
        return (
            (revoked is None or day < revoked)
            and self.valid_from <= day
            and (self.valid_to is None or day <= self.valid_to)
            and (self.classes is None or factory_class in self.classes)
            and (self.area is None or province in self.area)
        )


class AuthorityGrant(msgspec.Struct, kw_only=True):
    """`instrument` names the order of appointment (คำสั่งแต่งตั้ง)."""

    account: UUID
    power: Power
    section: Annotated[str, Meta(min_length=1, max_length=20, pattern=NO_NUL, examples=["37"])]
    instrument: Text
    valid_from: date
    valid_to: date | None = None
    classes: list[Annotated[int, Meta(ge=1, le=3)]] | None = None
    area: list[Annotated[str, Meta(pattern="^[0-9]{2}$")]] | None = None


class CompanyEntry(msgspec.Struct, kw_only=True):
    juristic_id: Annotated[str, Meta(pattern="^0[0-9]{12}$")]
    name_th: Text
    name_en: Note = ""


class MemberEntry(msgspec.Struct, kw_only=True):
    """The person is named by national ID: at the first sign-in they are already a member."""

    cid: Annotated[str, Meta(pattern="^[0-9]{13}$")]
    capacity: Capacity


class Member(msgspec.Struct):
    id: UUID
    account: UUID
    capacity: Capacity
    added_at: Moment


class Suspension(msgspec.Struct):
    reason: Text


class Identity(msgspec.Struct, kw_only=True):
    """What a provider vouched for. Lives in memory only; its repr shows no value."""

    issuer: str
    subject: str
    officers_only: bool
    authenticated_at: datetime | None = None
    """The provider's auth_time, where a new log-in was asked for and proved."""
    cid: str | None = None
    email: str | None = None
    name_th: str | None = None
    name_en: str | None = None

    def __repr__(self) -> str:
        return f"Identity({self.issuer})"


class DeviceWiped(
    Unauthenticated,
    code="accounts/device-wiped",
    th="อุปกรณ์นี้ถูกแจ้งหาย ข้อมูลในแอปต้องถูกลบ",
    en="This device was reported lost; the app must delete what it holds",
):
    """The app deletes everything it keeps, also what was not sent, and shows the sign-in page."""


class SessionEnded(
    Unauthenticated,
    code="accounts/session-ended",
    th="การเข้าสู่ระบบสิ้นสุดแล้ว กรุณาเข้าสู่ระบบใหม่",
    en="This session has ended; please sign in again",
):
    """Signed out, ended from another device, or the account is suspended. Nothing is wiped."""


class TokenExpired(
    Unauthenticated,
    code="accounts/token-expired",
    th="โทเค็นหมดอายุ กรุณาขอใหม่ด้วย refresh token",
    en="The access token has expired; get another with the refresh token",
):
    """Normal every ten minutes: the app refreshes and repeats the request."""


class TokenRefused(
    Unauthenticated,
    code="accounts/token-refused",
    th="โทเค็นไม่ถูกต้อง กรุณาเข้าสู่ระบบใหม่",
    en="The access token is not one of ours; please sign in again",
):
    """Wrong signature, algorithm, issuer, audience or form; which one is only in the log."""


class NotListed(
    Forbidden,
    code="accounts/not-listed",
    th="ไม่พบชื่อในบัญชีเจ้าหน้าที่ กรุณาติดต่อผู้ดูแลระบบ",
    en="Not on the list of officers; please ask the administrator",
):
    """A provider for officers vouched for somebody whom no administrator has listed."""


class AccountSuspended(
    Forbidden,
    code="accounts/suspended",
    th="บัญชีถูกระงับ กรุณาติดต่อผู้ดูแลระบบ",
    en="This account is suspended; please ask the administrator",
):
    """At sign-in. Sessions of a suspended account end with `accounts/session-ended`."""


class BoundElsewhere(
    Conflict,
    code="accounts/officer-bound-elsewhere",
    th="รายชื่อเจ้าหน้าที่นี้ผูกกับบัญชีอื่นแล้ว กรุณาติดต่อผู้ดูแลระบบ",
    en="This listed officer is bound to another account; please ask the administrator",
    constraints=("officer_account_once",),
):
    """Two sign-ins claim one line of the list, or one account claims two."""


class SignInRaced(
    Conflict,
    code="accounts/sign-in-raced",
    th="มีการเข้าสู่ระบบพร้อมกัน กรุณาลองอีกครั้ง",
    en="Somebody signed in as this person at the same moment; please try again",
    constraints=("person_cid_once",),
):
    """Rare: the same person arrived for the first time by two ways at once."""


class OfficerTaken(
    Conflict,
    code="accounts/officer-taken",
    th="มีเจ้าหน้าที่คนอื่นใช้เลขประจำตัวหรืออีเมลนี้แล้ว",
    en="Another listed officer has this national ID, officer number or e-mail",
    constraints=("officer_cid_once", "officer_number_once", "officer_email_once"),
):
    """Each identifies one officer."""


class NoOfficer(
    NotFound, code="accounts/no-officer", th="ไม่พบเจ้าหน้าที่", en="There is no such officer"
):
    """No such line in the list of officers."""


class NoAccount(NotFound, code="accounts/no-account", th="ไม่พบบัญชี", en="There is no such account"):
    """No such account."""


class NoOffice(
    Invalid, code="accounts/no-office", th="ไม่พบหน่วยงาน {code}", en="There is no office {code}"
):
    """`code` is not the code of an office; `GET /v1/offices` lists them."""


class NoSession(
    NotFound, code="accounts/no-session", th="ไม่พบอุปกรณ์นี้", en="There is no such session"
):
    """No such session of this account."""


class NoCompany(
    NotFound, code="accounts/no-company", th="ไม่พบนิติบุคคลนี้", en="There is no such company"
):
    """No such company, or not one of the caller's."""


class NoMember(NotFound, code="accounts/no-member", th="ไม่พบสมาชิกนี้", en="There is no such member"):
    """No such member of this company, or already ended."""


class NoAuthority(
    NotFound, code="accounts/no-authority", th="ไม่พบอำนาจนี้", en="There is no such authority"
):
    """No such grant, or already revoked."""


class AuthorityNeeded(
    Forbidden,
    code="accounts/authority-needed",
    th="ต้องมีคำสั่งแต่งตั้งให้มีอำนาจนี้ ({power} ตามมาตรา {section}) ที่ยังมีผลอยู่",
    en="This needs a dated authority in force ({power} under section {section})",
):
    """A role alone does not suffice; an administrator records the order of appointment."""


class WrongCid(
    Invalid,
    code="accounts/wrong-national-id",
    th="เลขประจำตัวประชาชนไม่ถูกต้อง",
    en="Not a valid national identification number",
):
    """13 digits, the first not 0 or 9, the last a check digit."""


class WrongJuristicId(
    Invalid,
    code="accounts/wrong-juristic-id",
    th="เลขทะเบียนนิติบุคคลไม่ถูกต้อง",
    en="Not a valid juristic person number",
):
    """13 digits, the first 0, the last a check digit."""


class WrongEntry(
    Invalid,
    code="accounts/wrong-entry",
    th="ข้อมูลไม่ถูกต้อง: {reason}",
    en="The entry cannot be used: {reason}",
):
    """`reason` says what is wrong."""
