"""What an officer reads when a reading came to nothing."""

from __future__ import annotations

from typing import Final

from reader_bridge.fields import Fault

F = Fault
FAULT_TH: Final[dict[Fault, str]] = {
    F.card_left: "มีบัตรค้างอยู่ในเครื่อง กรุณาดึงออกแล้วเสียบใหม่",
    F.card_removed: "บัตรถูกดึงออกก่อนอ่านเสร็จ กรุณาเสียบใหม่",
    F.card_changed: "บัตรถูกสลับระหว่างอ่าน กรุณาเสียบใหม่",
    F.card_silent: "บัตรไม่ตอบสนอง กรุณาเช็ดหน้าชิปแล้วเสียบใหม่",
    F.not_a_thai_id: "ไม่ใช่บัตรประจำตัวประชาชนไทย",
    F.card_damaged: "ข้อมูลในบัตรเสียหาย",
    F.reader_busy: "โปรแกรมอื่นกำลังใช้เครื่องอ่านบัตรอยู่",
    F.reader_gone: "เครื่องอ่านบัตรถูกถอดออก",
    F.service_gone: "บริการ PC/SC ของเครื่องนี้ไม่ทำงาน",
    F.timed_out: "หมดเวลารอบัตร",
    F.cancelled: "ยกเลิกการอ่าน",
    F.failed: "อ่านบัตรไม่สำเร็จ กรุณาเสียบใหม่",
}
