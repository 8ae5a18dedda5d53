"""What can be wrong with an order, or with what somebody wants of it."""

from __future__ import annotations

from typing import Any

from api.inspection.orders.model import STATE_TH
from api.problems import Conflict, Invalid, NotFound


class OrderNotFound(
    NotFound, code="inspection/no-such-order", th="ไม่พบคำสั่งนี้", en="There is no such order"
):
    """No such order, or none that the caller may know of."""


class OrderExists(
    Conflict,
    code="inspection/order-exists",
    th="มีคำสั่งรหัสนี้แล้วด้วยข้อมูลอื่น",
    en="An order with this id exists with other content",
    constraints=("legal_order_pkey",),
):
    """The id was used before, for something else."""


class OrderSealed(
    Conflict,
    code="inspection/order-state",
    th="คำสั่งอยู่ในสถานะ “{state_th}” จึงทำรายการนี้ไม่ได้",
    en="The order is {state}; that cannot be done",
):
    """The table of moves has no such move from the state that the order is in."""

    def __init__(self, state: str = "", **facts: Any) -> None:
        super().__init__(state=state, state_th=STATE_TH.get(state, state), **facts)


class SubjectUnknown(
    Invalid,
    code="inspection/order-subject",
    th="ไม่พบสถานที่ ใบอนุญาต การตรวจ คำสั่งเดิม หรือข้อบกพร่องที่อ้างถึง",
    en="The premises, licence, visit, earlier order or finding named does not exist or differs",
    constraints=(
        "legal_order_premises",
        "legal_order_licence",
        "legal_order_visit",
        "legal_order_follows",
        "order_finding_finding",
    ),
):
    """An order is of one licence; what it names is of the same site, and the caller may see it."""


class OrderIncomplete(
    Conflict,
    code="inspection/order-incomplete",
    th="คำสั่งยังไม่ครบถ้วน ลงนามไม่ได้",
    en="The order is not complete and cannot be signed",
):
    """`missing` says what is not there."""


class OrderDiffers(
    Conflict,
    code="inspection/order-differs",
    th="ข้อความที่ลงนามไม่ตรงกับคำสั่งปัจจุบัน โปรดเปิดดูใหม่",
    en="What was signed is not what the order says now; look at it again",
):
    """The hash is not that of what the signing view shows to this signer now."""


class ProofWrong(
    Invalid,
    code="inspection/service-proof",
    th="หลักฐานการแจ้งคำสั่งไม่ตรงกับวิธีการแจ้ง",
    en="The proof does not fit the way of service",
):
    """s.38: signature for personal and adult, witness for refused and posted, post for post."""


class NoticesMissing(
    Conflict,
    code="inspection/notices-missing",
    th="ต้องปิดประกาศคำสั่งอย่างน้อย {needed} แห่ง (ปิดแล้ว {posted})",
    en="The order must be posted in at least {needed} places (posted: {posted})",
):
    """Factory Act s.40: stop and closure orders only."""


class NotForThisKind(
    Conflict,
    code="inspection/order-kind",
    th="คำสั่งประเภทนี้ไม่มีขั้นตอนนี้",
    en="There is no such step for this kind of order",
):
    """Sealing and correcting belong to s.37, notices to stop and closure."""


class DateWrong(
    Invalid,
    code="inspection/order-date",
    th="วันที่ไม่ถูกต้อง: อยู่ในอนาคต หรือก่อนการออกคำสั่งหรือการยื่นอุทธรณ์",
    en="The date lies ahead, or before the order or the appeal that it is about",
):
    """What is recorded of an order has happened, and after the order was signed."""


class AppealExists(
    Conflict,
    code="inspection/appeal-exists",
    th="มีอุทธรณ์คำสั่งนี้แล้วด้วยข้อมูลอื่น",
    en="An appeal against this order is on file with other content",
):
    """One order has one appeal; the decision on it is final (s.41)."""


class EvidenceForeign(
    Invalid,
    code="inspection/order-evidence",
    th="หลักฐานที่แนบไม่มีในระบบ ยังส่งไม่เสร็จ หรือไม่ใช่ของผู้ส่งหรือหน่วยงานเดียวกัน",
    en="Evidence named does not exist, is not finished, or is not the sender's or their office's",
):
    """Upload it to its end first; evidence of somebody else's record proves nothing here."""


class NotLater(
    Invalid,
    code="inspection/not-later",
    th="กำหนดใหม่ต้องอยู่หลังกำหนดเดิม",
    en="The new time must be later than the one before",
    constraints=("order_extension_later",),
):
    """An extension extends."""


class SealingNotFound(
    NotFound,
    code="inspection/no-such-sealing",
    th="ไม่พบการผูกมัดประทับตรานี้",
    en="There is no such sealing",
):
    """No sealing of that id on this order."""


class SealsWrong(
    Invalid,
    code="inspection/seals-wrong",
    th="รายการตราหรือเครื่องจักรไม่ถูกต้อง: {which}",
    en="The list of seals or machines is wrong: {which}",
):
    """A machine or a seal stands twice in the list, a seal names a machine that was not approved,
    or one is to be taken off that is not on."""


class MachineSealed(
    Conflict,
    code="inspection/machine-sealed",
    th="เครื่องจักรถูกผูกมัดประทับตราอยู่แล้ว: {which}",
    en="Under seal already: {which}",
):
    """A machine of one site is sealed once at a time; take the seals off first."""


class WrongSealingState(
    Conflict,
    code="inspection/sealing-state",
    th="การผูกมัดประทับตราอยู่ในสถานะ {state} จึงทำรายการนี้ไม่ได้",
    en="The sealing is {state}; that cannot be done",
):
    """The table of moves has no such move from the state that the sealing is in."""
