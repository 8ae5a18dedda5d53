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
    "visit.signed": ("ลงลายมือชื่อในบันทึก", "signature for the record"),
    "visit.sample_taken": ("เก็บตัวอย่าง", "sample taken"),
    "visit.sample_handed_over": ("ส่งมอบตัวอย่าง", "sample handed over"),
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
    "visit.evidence_shown": ("แสดงพยานหลักฐานแก่โรงงาน", "evidence shown to the factory"),
    "order.drafted": ("ร่างคำสั่ง", "order drafted"),
    "order.redrafted": ("แก้ไขร่างคำสั่ง", "draft changed"),
    "order.discarded": ("ยกเลิกร่างคำสั่ง", "draft discarded"),
    "order.signed": ("ลงนามคำสั่ง", "order signed"),
    "order.shown": ("แสดงคำสั่งแก่โรงงาน", "shown to the factory"),
    "order.service_attempted": ("ดำเนินการส่งคำสั่ง", "service attempted"),
    "order.service_postponed": ("เลื่อนวันที่ถือว่าได้รับคำสั่ง", "service counts later"),
    "order.served": ("ส่งคำสั่งแล้ว", "order served"),
    "order.notice_posted": ("ปิดประกาศคำสั่ง", "notice posted"),
    "order.extended": ("ขยายเวลา", "time extended"),
    "order.due_postponed": ("เลื่อนวันครบกำหนด", "due date moved"),
    "order.appeal_postponed": ("เลื่อนวันสิ้นสุดเวลาอุทธรณ์", "end of the time to appeal moved"),
    "order.appeal_time_over": ("สิ้นสุดเวลาอุทธรณ์", "time to appeal over"),
    "order.appealed": ("ยื่นอุทธรณ์", "appealed"),
    "order.stayed": ("ทุเลาการบังคับ", "stayed"),
    "order.stay_ended": ("สิ้นสุดการทุเลา", "stay ended"),
    "order.correction_claimed": ("โรงงานแจ้งว่าแก้ไขแล้ว", "correction claimed"),
    "order.verified": ("ตรวจยืนยันการแก้ไข", "correction verified"),
    "order.overdue": ("พ้นกำหนดปฏิบัติ", "overdue"),
    "order.breached": ("ฝ่าฝืนคำสั่ง", "order breached"),
    "order.complied": ("ปฏิบัติครบถ้วน", "complied with"),
    "order.closure_withheld": ("ใบอนุญาตเปลี่ยนผู้ประกอบการ จึงไม่เพิกถอน", "licence not revoked"),
    "order.licence_reinstated": ("คืนใบอนุญาตที่ถูกเพิกถอน", "licence reinstated"),
    "order.reinstatement_withheld": (
        "ใบอนุญาตถูกแก้ไขภายหลัง จึงไม่คืนโดยอัตโนมัติ",
        "licence changed since, not reinstated",
    ),
    "order.revived": ("คำสั่งกลับมีผลใช้บังคับ", "in force again"),
    "order.superseded": ("มีคำสั่งใหม่แทน", "superseded"),
    "order.revoked": ("เพิกถอนคำสั่ง", "revoked"),
    "order.annulled": ("คำสั่งถูกเพิกถอนโดยคำวินิจฉัย", "annulled"),
    "visit.recorded_late": ("บันทึกที่มาถึงหลังจบการตรวจ", "noted after the end"),
    "finding.resolved": ("ข้อบกพร่องได้รับการแก้ไข", "finding put right"),
    "order.upheld": ("วินิจฉัยยืนตามคำสั่ง", "upheld"),
    "sealing.requested": ("ขออนุมัติผูกมัดประทับตรา", "sealing asked for"),
    "sealing.approved": ("อนุมัติผูกมัดประทับตรา", "sealing approved"),
    "sealing.refused": ("ไม่อนุมัติผูกมัดประทับตรา", "sealing refused"),
    "sealing.sealed": ("ผูกมัดประทับตรา", "machines sealed"),
    "sealing.seals_removed": ("ถอดตราบางส่วน", "some seals taken off"),
    "sealing.lifted": ("ถอดตรา", "seals lifted"),
    "service_attempt.unsealed": ("เปิดดูชื่อผู้รับคำสั่ง", "who received it was opened"),
    "document.issued": ("ออกเอกสาร", "document issued"),
    "document.rendered": ("จัดทำไฟล์ PDF", "PDF made"),
    "document.unsealed": ("เปิดอ่านเอกสาร", "document opened"),
    "document.force_changed": ("เปลี่ยนสถานะของเอกสาร", "force of the document changed"),
    "evidence.completed": ("รับไฟล์ครบถ้วน", "file received whole"),
    "evidence.examined": ("ตรวจสอบภาพ", "picture examined"),
}
CLOCKS: Words = {
    "order.due": ("ปฏิบัติตามคำสั่ง", "compliance with the order"),
    "order.appeal": ("อุทธรณ์คำสั่ง", "appeal against the order"),
    "order.service": ("ถือว่าได้รับคำสั่ง", "service counts"),
    "visit.review": ("พิจารณาผลการตรวจ", "review of the visit"),
}
SERVED: Words = {
    "personal": ("รับด้วยตนเอง", "received in person"),
    "adult": ("ผู้อยู่หรือทำงาน ณ ที่นั้นรับแทน", "received by an adult living or working there"),
}
RECEIVED = ("ผู้รับคำสั่งที่", "For order no.")
SYSTEM = ("ระบบ", "the system")
OUTSIDE = ("ผู้ประกอบกิจการ", "the operator's side")
TAMPERED = ("ข้อมูลถูกแก้ไขภายหลัง เชื่อถือไม่ได้", "tampered with")
ERASED = ("ข้อมูลถูกลบแล้ว", "erased")
MET = ("ทันกำหนด", "met")
RAN_OUT = ("พ้นกำหนด", "ran out")
RUNNING = ("ยังไม่ครบกำหนด", "running")
