"""The sample people: plainly samples, with national IDs of a range that nobody has (1-9999-…)."""

from __future__ import annotations

from typing import Final

import msgspec

from api.permissions import Role


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """`key` names the account at the development sign-in; `office` and `roles` for officers."""

    key: str
    cid: str
    given_name: str
    what_th: str
    what_en: str
    office: str | None = None
    roles: tuple[Role, ...] = ()
    company: str | None = None
    family_name: str = "ตัวอย่าง"
    name_en: str = ""

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}"


class SampleCompany(msgspec.Struct, frozen=True, kw_only=True):
    juristic_id: str
    name_th: str
    name_en: str


LOCAL_OFFICE: Final = "local-11-sample"
COMPANIES: Final = (
    SampleCompany(
        juristic_id="0999900000015",
        name_th="บริษัท ตัวอย่างโลหะกิจ จำกัด",
        name_en="Sample Metal Works Co., Ltd.",
    ),
    SampleCompany(
        juristic_id="0999900000023",
        name_th="บริษัท ตัวอย่างเคมีภัณฑ์ จำกัด",
        name_en="Sample Chemicals Co., Ltd.",
    ),
)
SAMPLES: Final = (
    Sample(
        key="inspector",
        cid="1999900000013",
        given_name="สมชาย",
        what_th="ผู้ตรวจ สอจ.สมุทรปราการ",
        what_en="Inspector, Samut Prakan",
        office="pio-11",
        roles=(Role.inspector,),
        name_en="Somchai Tuayang (sample)",
    ),
    Sample(
        key="inspector-2",
        cid="1999900000021",
        given_name="สมหญิง",
        what_th="ผู้ตรวจคนที่สอง สอจ.สมุทรปราการ",
        what_en="Second inspector, Samut Prakan",
        office="pio-11",
        roles=(Role.inspector,),
        name_en="Somying Tuayang (sample)",
    ),
    Sample(
        key="inspector-elsewhere",
        cid="1999900000030",
        given_name="ระยอง",
        what_th="ผู้ตรวจ สอจ.ระยอง",
        what_en="Inspector, Rayong",
        office="pio-21",
        roles=(Role.inspector,),
        name_en="Rayong Tuayang (sample)",
    ),
    Sample(
        key="provincial-officer",
        cid="1999900000048",
        given_name="ธุรการ",
        what_th="เจ้าหน้าที่ สอจ.สมุทรปราการ",
        what_en="Provincial officer, Samut Prakan",
        office="pio-11",
        roles=(Role.provincial_officer,),
        name_en="Thurakan Tuayang (sample)",
    ),
    Sample(
        key="head",
        cid="1999900000056",
        given_name="หัวหน้า",
        what_th="อุตสาหกรรมจังหวัดสมุทรปราการ",
        what_en="Provincial head, Samut Prakan",
        office="pio-11",
        roles=(Role.provincial_head,),
        name_en="Huana Tuayang (sample)",
    ),
    Sample(
        key="department",
        cid="1999900000064",
        given_name="ส่วนกลาง",
        what_th="เจ้าหน้าที่กรมโรงงานอุตสาหกรรม",
        what_en="Department of Industrial Works",
        office="diw",
        roles=(Role.department,),
        name_en="Suanklang Tuayang (sample)",
    ),
    Sample(
        key="ministry",
        cid="1999900000072",
        given_name="กระทรวง",
        what_th="เจ้าหน้าที่กระทรวงอุตสาหกรรม",
        what_en="Ministry",
        office="ministry",
        roles=(Role.ministry,),
        name_en="Krasuang Tuayang (sample)",
    ),
    Sample(
        key="administrator",
        cid="1999900000081",
        given_name="ผู้ดูแล",
        what_th="ผู้ดูแลระบบ",
        what_en="Administrator",
        office="ministry",
        roles=(Role.administrator,),
        name_en="Phudulae Tuayang (sample)",
    ),
    Sample(
        key="auditor",
        cid="1999900000099",
        given_name="ผู้สอบ",
        what_th="ผู้ตรวจสอบ (อ่านอย่างเดียว)",
        what_en="Auditor, reads only",
        office="ministry",
        roles=(Role.auditor,),
        name_en="Phusop Tuayang (sample)",
    ),
    Sample(
        key="local-officer",
        cid="1999900000102",
        given_name="ท้องถิ่น",
        what_th="เจ้าพนักงานท้องถิ่น",
        what_en="Local officer",
        office=LOCAL_OFFICE,
        roles=(Role.local_officer,),
        name_en="Thongthin Tuayang (sample)",
    ),
    Sample(
        key="operator",
        cid="1999900000111",
        given_name="ผู้ประกอบการ",
        what_th="ผู้แทน บริษัท ตัวอย่างโลหะกิจ",
        what_en="Acts for Sample Metal Works",
        company="0999900000015",
    ),
    Sample(
        key="stranger",
        cid="1999900000129",
        given_name="คนละบริษัท",
        what_th="ผู้แทน บริษัท ตัวอย่างเคมีภัณฑ์",
        what_en="Acts for Sample Chemicals",
        company="0999900000023",
    ),
    Sample(
        key="citizen",
        cid="1999900000137",
        given_name="ประชาชน",
        what_th="ประชาชนทั่วไป",
        what_en="Citizen",
    ),
)
BY_KEY: Final = {sample.key: sample for sample in SAMPLES}
