"""The register's records on the wire, the states of a licence, and what can go wrong."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from api.clock import Moment
from api.factories.categories import ClassRule
from api.factories.names import clean, looks_like_person
from api.problems import Conflict, Invalid, NotFound


class Status(StrEnum):
    """Of a licence: not_started ได้รับอนุญาตแล้วยังไม่เริ่ม, operating, stopped, closed
    เลิกประกอบกิจการ, struck_off จำหน่ายออกจากทะเบียน."""

    not_started = "not_started"
    operating = "operating"
    stopped = "stopped"
    closed = "closed"
    struck_off = "struck_off"


S = Status
MOVES: dict[tuple[str, Status], Status] = {
    ("start", S.not_started): S.operating,  # s.13: start notified
    ("stop", S.operating): S.stopped,  # s.33: stopped for more than a year, or by order
    ("resume", S.stopped): S.operating,
    ("close", S.not_started): S.closed,  # s.28 and s.11: closure notified, or ordered (s.39)
    ("close", S.operating): S.closed,
    ("close", S.stopped): S.closed,
    ("strike_off", S.not_started): S.struck_off,
    ("strike_off", S.stopped): S.struck_off,
    ("strike_off", S.closed): S.struck_off,
    ("reinstate", S.closed): S.operating,  # closed or struck off by mistake
    ("reinstate", S.struck_off): S.operating,
}
"""What an officer may do to a licence by hand. The register's own feed may set any state."""


def move(state: Status, target: Status) -> str | None:
    """The verb that leads from `state` to `target`; None where nothing does."""
    return next(
        (verb for (verb, at), to in MOVES.items() if (at, to) == (state, target)),
        None,
    )


Text = Annotated[str, msgspec.Meta(max_length=400)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
ProvinceCode = Annotated[str, msgspec.Meta(pattern="^[0-9]{2}$")]
DistrictCode = Annotated[str, msgspec.Meta(pattern="^[0-9]{4}$")]
SubdistrictCode = Annotated[str, msgspec.Meta(pattern="^[0-9]{6}$")]
OperatorKind = Literal["company", "person"]


# --- what a list and a record show --------------------------------------------------------------


class LicenceLine(msgspec.Struct):
    """A licence in a list. `number` is the new one where there is one, else the old one."""

    id: UUID
    number: str
    number_old: str | None
    licence_class: int | None
    category: str | None
    status: Status


class FactoryLine(msgspec.Struct):
    """A site in a list; `distance_m` only in a search by nearness, and only for officers."""

    id: UUID
    name: str
    province: str
    district: str | None
    subdistrict: str | None
    registered: bool
    licences: list[LicenceLine]
    lat: float | None = None
    lng: float | None = None
    distance_m: float | None = None


class StatusAt(msgspec.Struct):
    """A state of a licence and since when; `source` is `register` or `officer`."""

    status: Status
    at: Moment
    source: Literal["register", "officer"]


class Licence(msgspec.Struct):
    """A registration. The public sees neither power, workers nor a natural person's name."""

    id: UUID
    version: int
    number: str
    number_new: str | None
    number_old: str | None
    number_shown: str
    licence_class: int | None
    category: str | None
    category_th: str | None
    category_en: str | None
    other_categories: list[str]
    status: Status
    name: str
    operator_kind: OperatorKind
    operator_name: str | None
    operator_company: UUID | None
    hp: float | None
    workers: int | None
    estate: str | None
    isic: str | None
    status_history: list[StatusAt]


class Position(msgspec.Struct, frozen=True):
    """Degrees (WGS 84); `source`: from the register or put right by an officer."""

    lat: float
    lng: float
    source: Literal["register", "officer"] = "officer"


class Factory(msgspec.Struct):
    """A site with its licences. `registered` false: found in the field, without a licence."""

    id: UUID
    version: int
    name: str
    address: str | None
    province: str
    province_th: str
    district: str | None
    district_th: str | None
    subdistrict: str | None
    subdistrict_th: str | None
    position: Position | None
    registered: bool
    licences: list[Licence]
    merged_from: list[UUID]


class PhoneLicence(msgspec.Struct):
    id: UUID
    number: str
    number_old: str | None
    licence_class: int | None
    category: str | None
    other_categories: list[str]
    status: Status
    name: str
    operator_name: str
    operator_kind: OperatorKind
    operator_company: UUID | None
    hp: float | None
    workers: int | None


class PhoneFactory(msgspec.Struct):
    """A site as phones keep it; sent with the feed's kind `factory`."""

    id: UUID
    version: int
    name: str
    address: str
    province: str
    district: str | None
    subdistrict: str | None
    lat: float | None
    lng: float | None
    registered: bool
    licences: list[PhoneLicence]


class CategoryView(msgspec.Struct):
    """A type of factory; `classes` maps "1", "2", "3" to what puts a factory into that class."""

    code: str
    main: int
    sub: int | None
    title_th: str
    title_en: str
    classes: dict[str, ClassRule]


class Subject(msgspec.Struct, frozen=True):
    """What the rules of a checklist look at, of one licence."""

    licence: UUID
    premises: UUID
    province: str
    company: UUID | None
    licence_class: int | None
    category: str | None
    other_categories: list[str]
    hp: float | None
    workers: int | None
    lat: float | None
    lng: float | None


# --- what is asked and told ---------------------------------------------------------------------


class Filters(msgspec.Struct, frozen=True):
    """Of a list of factories; None does not filter. `near` is (lat, lng, radius in metres).

    Without `status` what is struck off is left out.
    """

    words: tuple[str, ...] = ()
    number: str | None = None
    near: tuple[float, float, float] | None = None
    province: str | None = None
    district: str | None = None
    category: str | None = None
    licence_class: int | None = None
    status: Status | None = None


class RegisterPremises(msgspec.Struct, forbid_unknown_fields=True):
    """A factory without a licence, found in the field. `id` is the sender's, for sending again.

    At least one of `position`, `subdistrict`, `district` and `province` says where it is.
    """

    name: Name
    id: UUID | None = None
    address: Text = ""
    province: ProvinceCode | None = None
    district: DistrictCode | None = None
    subdistrict: SubdistrictCode | None = None
    lat: Latitude | None = None
    lng: Longitude | None = None

    def __post_init__(self) -> None:
        self.name, self.address = clean(self.name), clean(self.address)
        if not self.name:
            raise ValueError("name must not be blank")
        if (self.lat is None) != (self.lng is None):
            raise ValueError("lat and lng come together")
        if self.province is None and (code := self.district or self.subdistrict):
            self.province = code[:2]
        if self.district is None and self.subdistrict:
            self.district = self.subdistrict[:4]
        if self.province is None:
            raise ValueError("province, district or subdistrict must be given")


class CorrectPremises(msgspec.Struct, forbid_unknown_fields=True):
    """What an officer puts right of a site; what is not given stays."""

    position: Position | UnsetType = UNSET
    address: Text | UnsetType = UNSET
    subdistrict: SubdistrictCode | UnsetType = UNSET


class CorrectLicence(msgspec.Struct, forbid_unknown_fields=True):
    """What an officer puts right of a licence. `operator_company` binds it to a company that
    signs in; null unbinds it."""

    status: Status | UnsetType = UNSET
    operator_company: UUID | UnsetType | None = UNSET


class MergePremises(msgspec.Struct, forbid_unknown_fields=True):
    """The site that is the same place; its licences move over and its id goes on leading here."""

    other: UUID


# --- privacy ------------------------------------------------------------------------------------

PERSONS_FACTORY = "โรงงานของบุคคลธรรมดา"


def public_name(name: str, operator_name: str, kind: str) -> str:
    """The name of a factory without the name of a natural person who operates it."""
    if kind == "company":
        return name
    bare = operator_name.replace(" ", "")
    if looks_like_person(name) or (bare and bare in name.replace(" ", "")):
        return PERSONS_FACTORY
    return name


# --- problems -----------------------------------------------------------------------------------


class FactoryNotFound(
    NotFound,
    code="factories/factory-not-found",
    th="ไม่พบโรงงานนี้",
    en="There is no such factory",
):
    """No premises of this id, or outside the caller's reach."""


class LicenceNotFound(
    NotFound,
    code="factories/licence-not-found",
    th="ไม่พบทะเบียนโรงงานนี้",
    en="There is no such licence",
):
    """No licence of this id, or outside the caller's reach."""


class NumberWrong(
    Invalid,
    code="factories/number-wrong",
    th="เลขทะเบียนไม่ถูกต้อง: {th}",
    en="The factory number is wrong: {en}",
):
    """`reason` names the check that failed."""


class QueryTooShort(
    Invalid,
    code="factories/query-too-short",
    th="คำค้นต้องมีอย่างน้อย 2 ตัวอักษร",
    en="A search needs at least two letters",
):
    """A single letter would match nearly everything."""


class PlaceUnknown(
    Invalid,
    code="factories/place-unknown",
    th="ไม่มีรหัสจังหวัด อำเภอ หรือตำบลนี้",
    en="There is no such province, district or sub-district",
    constraints=(
        "premises_province_fkey",
        "premises_district_fkey",
        "premises_subdistrict_fkey",
        "premises_district_in_province",
        "premises_subdistrict_in_district",
    ),
):
    """A place code that DOPA does not know, or codes that do not lie within one another."""


class OutsideThailand(
    Invalid,
    code="factories/outside-thailand",
    th="พิกัดอยู่นอกประเทศไทย",
    en="The position lies outside Thailand",
):
    """Latitude and longitude may have been swapped."""


class MoveImpossible(
    Conflict,
    code="factories/move-impossible",
    th="เปลี่ยนสถานะจาก {state} เป็น {target} ไม่ได้",
    en="A licence cannot go from {state} to {target}",
):
    """The table of moves has no such step."""


class MergeImpossible(
    Conflict,
    code="factories/merge-impossible",
    th="รวมสถานที่นี้ไม่ได้: {reason}",
    en="These premises cannot be merged: {reason}",
    constraints=("premises_not_into_itself",),
):
    """With itself, across provinces, or one of them was merged before."""


class IdTaken(
    Conflict,
    code="factories/id-taken",
    th="รหัสนี้ใช้กับสถานที่อื่นแล้ว",
    en="This id already names other premises",
    constraints=("premises_pkey",),
):
    """The sender's id was used before for something else."""


class CompanyUnknown(
    Invalid,
    code="factories/company-unknown",
    th="ไม่พบนิติบุคคลนี้",
    en="There is no such company",
    constraints=("licence_operator_company_fkey",),
):
    """The operator's company must be known before a licence is bound to it."""
