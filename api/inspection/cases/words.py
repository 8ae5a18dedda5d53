"""Events, clocks and kinds of documents in words; what has no word keeps its name."""

from __future__ import annotations

from api.inspection.visits.wording import Words

EVENTS: Words = {
    "visit.planned": ("วางแผนการตรวจ", "visit planned"),
    "visit.recorded": ("บันทึกผลจากภาคสนาม", "noted in the field"),
    "visit.started": ("เริ่มการตรวจ", "visit started"),
    "visit.submitted": ("ส่งผลการตรวจ", "visit submitted"),
    "visit.settled": ("ชี้ขาดคำตอบที่ขัดแย้ง", "conflicting answers settled"),
    "visit.result_added": ("เพิ่มผลห้องปฏิบัติการ", "laboratory result added"),
    "visit.evidence_added": ("เพิ่มพยานหลักฐาน", "evidence added"),
    "visit.review_begun": ("รับเรื่องพิจารณา", "review begun"),
    "visit.review_overdue": ("พ้นกำหนดพิจารณา", "review overdue"),
    "visit.returned": ("ส่งกลับแก้ไข", "visit returned"),
    "visit.accepted": ("รับรองผลการตรวจ", "visit accepted"),
    "visit.closed": ("ยุติเรื่อง", "visit closed"),
    "visit.cancelled": ("ยกเลิกการตรวจ", "visit cancelled"),
    "visit.unsealed": ("เปิดข้อมูลที่ปิดผนึก", "sealed data opened"),
    "visit.shown": ("แสดงผลแก่โรงงาน", "shown to the factory"),
    "finding.confirmed": ("ยืนยันข้อกฎหมาย", "legal reference confirmed"),
    "document.issued": ("ออกเอกสาร", "document issued"),
    "document.rendered": ("จัดทำไฟล์ PDF", "PDF made"),
    "document.unsealed": ("เปิดอ่านเอกสาร", "document opened"),
    "document.force_changed": ("เปลี่ยนสถานะของเอกสาร", "force of the document changed"),
    "evidence.completed": ("รับไฟล์ครบถ้วน", "file received whole"),
    "evidence.examined": ("ตรวจสอบภาพ", "picture examined"),
}
CLOCKS: Words = {
    "visit.review": ("พิจารณาผลการตรวจ", "review of the visit"),
}
SYSTEM = ("ระบบ", "the system")
OUTSIDE = ("ผู้ประกอบกิจการ", "the operator's side")
TAMPERED = ("ข้อมูลถูกแก้ไขภายหลัง เชื่อถือไม่ได้", "tampered with")
ERASED = ("ข้อมูลถูกลบแล้ว", "erased")
MET = ("ทันกำหนด", "met")
RAN_OUT = ("พ้นกำหนด", "ran out")
RUNNING = ("ยังไม่ครบกำหนด", "running")
