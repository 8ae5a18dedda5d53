"""Samples and their chains of custody over HTTP."""

from __future__ import annotations

from uuid import UUID

from litestar.params import FromPath, JSONBody

from api.edge import InTx, get, post, put
from api.evidence.model import EvidenceTaken, EvidenceUnknown
from api.inspection.visits import samples
from api.inspection.visits.custody import (
    HandOverExists,
    HandOverSample,
    Sample,
    SampleNotFound,
    SamplePeople,
)
from api.sealed import Erased


@get("/v1/samples/{sample:uuid}", verb="sample.read", problems=[SampleNotFound])
async def read_sample(tx: InTx, sample: FromPath[UUID]) -> Sample:
    """ตัวอย่างหนึ่งรายการ พร้อมการส่งมอบทุกครั้ง ผลห้องปฏิบัติการ และช่วงที่ขาดการครอบครอง
    A sample with every hand-over, its laboratory's result, and where the chain is broken."""
    return await samples.read(tx, sample)


@put(
    "/v1/samples/{sample:uuid}/handovers/{handover:uuid}",
    verb="sample.hand_over",
    problems=[SampleNotFound, HandOverExists, EvidenceUnknown, EvidenceTaken],
)
async def hand_over(
    tx: InTx, sample: FromPath[UUID], handover: FromPath[UUID], data: JSONBody[HandOverSample]
) -> Sample:
    """บันทึกการส่งมอบตัวอย่างด้วยรหัสที่ผู้ส่งกำหนด ส่งซ้ำได้ไม่เกิดรายการใหม่
    Adds a link to the chain under the sender's id; sent twice it is one. Nothing is changed."""
    return await samples.hand_over(tx, sample, handover, data)


@post(
    "/v1/samples/{sample:uuid}/people",
    verb="visit.unseal",
    operation="sample.open_people",
    problems=[SampleNotFound, Erased],
    status_code=200,
)
async def open_people(tx: InTx, sample: FromPath[UUID]) -> SamplePeople:
    """เปิดผนึกชื่อผู้ส่งมอบและผู้รับตัวอย่าง การเปิดดูมีบันทึก
    Opens the sealed names of those who gave and took the sample; the opening is recorded."""
    return await samples.open_people(tx, sample)


ROUTES = [read_sample, hand_over, open_people]
