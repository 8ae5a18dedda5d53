"""What can be wrong with a complaint."""

from __future__ import annotations

from typing import Any

from api.complaints.model import PUBLIC_TH, STATE_TH
from api.problems import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated


class ComplaintNotFound(
    NotFound,
    code="complaints/no-such-complaint",
    th="ไม่พบเรื่องร้องเรียนนี้",
    en="There is no such complaint",
):
    """No such complaint, or none that the caller may know of."""


class ComplaintExists(
    Conflict,
    code="complaints/complaint-exists",
    th="มีเรื่องร้องเรียนรหัสนี้แล้วด้วยข้อมูลอื่น",
    en="A complaint with this id exists with other content",
    constraints=("complaint_pkey",),
):
    """The id was used before, for something else. Only its own sender learns so."""


class ComplaintSealed(
    Conflict,
    code="complaints/complaint-sealed",
    th="เรื่องร้องเรียนอยู่ในสถานะ “{state_th}” จึงทำรายการนี้ไม่ได้",
    en="The complaint is {state}; that can no longer be done",
):
    """The table of moves has no such move from the state that the complaint is in."""

    def __init__(self, state: str = "", **facts: Any) -> None:
        super().__init__(state=state, state_th=STATE_TH.get(state, state), **facts)


class CategoryUnknown(
    Invalid,
    code="complaints/category-unknown",
    th="ไม่มีประเภทเรื่องร้องเรียนนี้ หรือเลิกใช้แล้ว",
    en="There is no such category of complaint, or it is no longer in use",
):
    """`GET /v1/complaint-categories` lists them."""


class SecretUnreadable(
    Invalid,
    code="complaints/secret-unreadable",
    th="รหัสติดตามที่ส่งมาไม่ถูกต้อง",
    en="The tracking secret cannot be read",
):
    """26 random characters of Crockford's base 32 (130 bits), or 27 with the check character."""


class SecretTaken(
    Conflict,
    code="complaints/secret-taken",
    th="รหัสติดตามนี้ถูกใช้แล้ว กรุณาสร้างใหม่",
    en="This tracking secret is taken; make another",
    constraints=("complainant_secret",),
):
    """A secret opens one complaint; a program that makes such secrets is broken."""


class CodeWrong(
    Unauthenticated,
    code="complaints/code-wrong",
    th="รหัสติดตามไม่ถูกต้อง",
    en="The tracking code is wrong",
):
    """No complaint is opened by this code."""


class SenderBlocked(
    Forbidden,
    code="complaints/sender-blocked",
    th="ระบบไม่รับเรื่องจากผู้ส่งนี้ชั่วคราว กรุณาติดต่อสำนักงานโดยตรง",
    en="Nothing is taken from this sender for a while; please speak to an office",
):
    """The sender is on the block list; an officer at a desk can still take the complaint."""


class PlaceUnknown(
    Invalid,
    code="complaints/place-unknown",
    th="ไม่พบสถานที่หรือโรงงานที่อ้างถึง",
    en="The place or factory named does not exist",
    constraints=("complaint_premises", "complaint_province", "complaint_district_fkey"),
):
    """Province and district by DOPA code, a factory by its id in the register."""


class RouteNotFound(
    NotFound,
    code="complaints/no-such-route",
    th="ไม่พบกฎการส่งเรื่องนี้",
    en="There is no such rule",
):
    """`GET /v1/complaint-routes` lists them."""


class RouteWrong(
    Invalid,
    code="complaints/route-wrong",
    th="กฎต้องส่งไปยังประเภทสำนักงานหรือสำนักงานอย่างใดอย่างหนึ่ง ที่มีอยู่จริง",
    en="A rule leads to a kind of office or to an office that exists, not to both",
    constraints=(
        "complaint_route_to_office_fkey",
        "complaint_route_province_fkey",
        "complaint_route_category_fkey",
    ),
):
    """Exactly one of `to_kind` and `to_office`; province by DOPA code."""


class AppointmentNotFound(
    Invalid,
    code="complaints/no-local-body",
    th="สำนักงานนี้ไม่ใช่องค์กรปกครองส่วนท้องถิ่น หรือช่วงเวลาไม่ถูกต้อง",
    en="This office is no local body, or the dates are not in order",
    constraints=("local_appointment_dates", "local_appointment_province_fkey"),
):
    """Appointments under s.11/1 are of offices of the kind `local`."""


class NothingToBlock(
    Conflict,
    code="complaints/nothing-to-block",
    th="เรื่องนี้ไม่มีบัญชีหรืออุปกรณ์ของผู้ส่งให้ระงับ",
    en="No account or device is known of this complaint's sender; there is none to block",
):
    """An officer entered it, or its sender gave neither; `network` blocks where it came from."""


# --- at the officers' desk ------------------------------------------------------------------------


class ResponsibleNeeded(
    Invalid,
    code="complaints/responsible-needed",
    th="ต้องระบุหน่วยงานที่รับผิดชอบเพียงหนึ่งแห่ง และต้องไม่ใช่หน่วยงานเดิม",
    en="Name one who is responsible, and not the office that has it already",
):
    """Refusing and forwarding name an office of ours or another body: exactly one of both."""


class ForwardInstead(
    Invalid,
    code="complaints/forward-instead",
    th="หน่วยงานในสังกัดรับผิดชอบเรื่องนี้ กรุณารับเรื่องแล้วส่งต่อแทนการไม่รับเรื่อง",
    en="An office of ours is responsible: take the complaint up and forward it",
):
    """What the ministry is responsible for is not refused."""


class NotAppointed(
    Invalid,
    code="complaints/not-appointed",
    th="องค์กรปกครองส่วนท้องถิ่นนี้ไม่ได้รับมอบหมายตามมาตรา 11/1 สำหรับโรงงานนี้",
    en="This local government is not appointed under s.11/1 for such a factory there",
):
    """Classes 1 and 2 only, in its own area, while the appointment is in force."""


class OfficerUnfit(
    Invalid,
    code="complaints/officer-unfit",
    th="เจ้าหน้าที่คนนี้รับเรื่องในพื้นที่นี้ไม่ได้",
    en="This officer cannot act on a complaint there",
):
    """Assigned is only who is active and may act in the province, or in the office."""


class MergeImpossible(
    Invalid,
    code="complaints/merge-impossible",
    th="รวมกับเรื่องนั้นไม่ได้",
    en="It cannot be merged into that complaint",
):
    """There is none such, it is this one, itself a duplicate, or was withdrawn."""


class ComplaintEnded(
    Conflict,
    code="complaints/complaint-ended",
    th="เรื่องอยู่ในสถานะ “{status_th}” จึงทำรายการนี้ไม่ได้",
    en="The complaint is {status}; that cannot be done now",
):
    """As its complainant sees it, the complaint is not where this can be done.

    The same for every state behind one public status: nothing can be learned by trying.
    """

    def __init__(self, status: str = "", **facts: Any) -> None:
        super().__init__(status=status, status_th=PUBLIC_TH.get(status, status), **facts)


class NobodyToAsk(
    Conflict,
    code="complaints/nobody-to-ask",
    th="ผู้ร้องไม่ติดตามเรื่องนี้แล้ว จึงถามผู้ร้องไม่ได้",
    en="Whoever told it wants no more of it; nobody is there to be asked",
):
    """The clocks would stand still for an answer that cannot come."""


class ReopeningLate(
    Conflict,
    code="complaints/reopening-late",
    th="พ้นกำหนดขอเปิดเรื่องใหม่แล้ว กรุณาแจ้งเป็นเรื่องใหม่",
    en="It is too late to reopen this complaint; please tell it anew",
):
    """`reopen_until` says how long it may be."""


class ReopenedEnough(
    Conflict,
    code="complaints/reopened-enough",
    th="ท่านขอเปิดเรื่องนี้ใหม่ครบจำนวนครั้งแล้ว กรุณาติดต่อสำนักงานหรือแจ้งเป็นเรื่องใหม่",
    en="You have reopened this complaint as often as you may; speak to the office, or tell it anew",
):
    """A head can still reopen it; the setting `reopenings` says how often."""


class EntryExists(
    Conflict,
    code="complaints/entry-exists",
    th="มีรายการรหัสนี้แล้วด้วยข้อมูลอื่น",
    en="An entry with this id exists with other content",
):
    """The id was used before, for something else."""


class ComplainantUnknown(
    NotFound,
    code="complaints/no-such-complainant",
    th="ไม่พบผู้ร้องรายนี้",
    en="There is no such complainant",
):
    """Fewer people have said "me too"."""


class SubjectUnconfirmed(
    Conflict,
    code="complaints/subject-unconfirmed",
    th="ต้องยืนยันก่อนว่าเรื่องนี้เกี่ยวกับโรงงานใด",
    en="Which factory the complaint is about must be confirmed first",
):
    """A visit is of premises of the register, which an officer confirmed to be what is meant."""


class SubjectsDiffer(
    Conflict,
    code="complaints/subjects-differ",
    th="เรื่องร้องเรียนเหล่านี้ไม่ได้เกี่ยวกับโรงงานเดียวกัน",
    en="These complaints are not about one factory",
):
    """One visit is of one site; complaints about another site need a visit of their own."""


class ReleaseForbidden(
    Forbidden,
    code="complaints/release-forbidden",
    th="เรื่องประเภทนี้เป็นความลับ เปิดเผยต่อสาธารณะไม่ได้",
    en="Complaints of this category are confidential; nothing of them is made public",
):
    """The category says so, and only an administrator can change it."""


class WordsUnfit(
    Invalid,
    code="complaints/words-unfit",
    th="ข้อความนี้เผยแพร่ไม่ได้ กรุณาเขียนด้วยถ้อยคำของเจ้าหน้าที่เอง ({reason})",
    en="These words cannot be released; write them in your own ({reason})",
):
    """`reason`: `empty`, `contact` (a number, an address), `copied` (the sender's own words)."""


class ApiClientNotFound(
    NotFound,
    code="complaints/no-such-client",
    th="ไม่พบโปรแกรมภายนอกนี้",
    en="There is no such API client",
):
    """Only administrators are told of any."""


class ExportsBusy(
    TooMany,
    code="complaints/exports-busy",
    th="มีการส่งออกข้อมูลอยู่หลายรายการ กรุณารอ {retry_after_s} วินาที",
    en="Several exports are under way; please wait {retry_after_s} seconds",
):
    """Each holds a connection of its own while it lasts."""


class ReadingNotAtDesk(
    Invalid,
    code="complaints/reading-not-at-desk",
    th="การอ่านบัตรใช้ได้เฉพาะเรื่องที่เจ้าหน้าที่รับที่เคาน์เตอร์",
    en="A reading of a card goes with a complaint that an officer takes at the desk",
):
    """`channel` must be `desk`."""
