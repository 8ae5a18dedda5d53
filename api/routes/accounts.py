"""The caller, their devices, officers, authority and company members."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath, JSONBody, QueryParameter, RawBody

from api import logs
from api.accounts import officer_queries, service, signin
from api.accounts.model import (
    Authority,
    AuthorityGrant,
    BoundElsewhere,
    Company,
    CompanyEntry,
    Device,
    ImportReport,
    Me,
    Member,
    MemberEntry,
    NoAccount,
    NoAuthority,
    NoCompany,
    NoMember,
    NoOffice,
    NoOfficer,
    NoSession,
    Office,
    OfficeEntry,
    Officer,
    OfficerEntry,
    OfficerTaken,
    Profile,
    Suspension,
    WrongCid,
    WrongEntry,
    WrongJuristicId,
)
from api.edge import InTx, Page, delete, get, post, put
from api.sealed import Erased


@get("/v1/me", verb="account.me", tags=["accounts"])
async def me(tx: InTx) -> Me:
    """บัญชีของตนเอง: บทบาท หน่วยงาน และนิติบุคคลที่เป็นผู้แทน
    Who the caller is: roles, office, companies."""
    return await service.me(tx)


@get("/v1/me/profile", verb="profile.read", problems=[NoAccount, Erased], tags=["accounts"])
async def profile(request: Request[Any, Any, Any]) -> Profile:
    """ชื่อของตนเอง และเลขประจำตัวประชาชนที่ปิดบังบางส่วน การเปิดดูมีบันทึก
    The caller's own name and masked national ID; opening them is recorded."""
    async with request.app.state.db.begin(request.user, logs.request_id.get()) as tx:
        return await service.profile(tx)


@get("/v1/sessions", verb="session.list", tags=["accounts"])
async def sessions(tx: InTx) -> Page[Device]:
    """อุปกรณ์ของตนเองที่เข้าสู่ระบบ รวมที่สิ้นสุดใน 90 วันที่ผ่านมา
    The caller's devices, those that ended in the last 90 days too."""
    return Page(await service.devices(tx))


@delete(
    "/v1/sessions/{id:uuid}",
    verb="session.end",
    problems=[NoSession],
    status_code=204,
    tags=["accounts"],
)
async def end_session(
    tx: InTx, id: FromPath[UUID], wipe: Annotated[bool, QueryParameter()] = True
) -> None:
    """ให้อุปกรณ์ออกจากระบบ เว้นแต่ระบุเป็นอื่นถือว่าเครื่องหาย และสั่งล้างข้อมูลในเครื่อง
    Ends a session. With `wipe` (the default) the device counts as lost: its next contact is
    answered 401 `accounts/device-wiped`, and the app deletes everything that it holds.
    """
    await service.end_device(tx, id, wipe=wipe)


@post("/v1/session/end", verb="session.sign_out", status_code=204, tags=["accounts"])
async def sign_out(tx: InTx) -> None:
    """ออกจากระบบบนอุปกรณ์นี้
    Signs this device out."""
    await signin.sign_out(tx)


@get("/v1/offices", verb="office.read", tags=["accounts"])
async def offices(tx: InTx) -> Page[Office]:
    """หน่วยงานทั้งหมด พร้อมจังหวัดที่รับผิดชอบ
    Every office with its provinces."""
    return Page(await officer_queries.offices(tx))


@put(
    "/v1/offices/{office:str}",
    verb="office.write",
    problems=[WrongEntry],
    status_code=200,
    tags=["accounts"],
)
async def write_office(tx: InTx, office: FromPath[str], data: JSONBody[OfficeEntry]) -> Office:
    """เพิ่มหรือแก้ไขหน่วยงานตามรหัสหน่วยงาน ขอบเขตของเจ้าหน้าที่เปลี่ยนตามทันที
    An office by its code, made or changed; what its officers reach follows at once."""
    return await service.officers.write_office(tx, office, data)


@get("/v1/officers", verb="officer.read", tags=["accounts"])
async def officers(
    tx: InTx,
    office: Annotated[UUID | None, QueryParameter()] = None,
    cursor: Annotated[UUID | None, QueryParameter()] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 100,
) -> Page[Officer]:
    """รายชื่อเจ้าหน้าที่ เฉพาะหน่วยงานของตนเอง เว้นแต่มีขอบเขตกว้างกว่านั้น
    The list of officers; of the caller's own office where the reach is no wider."""
    found = await service.officers.officers(tx, office, cursor, limit)
    return Page(found, str(found[-1].id) if len(found) == limit else None)


@post(
    "/v1/officers",
    verb="officer.edit",
    operation="officer.list",
    problems=[NoOffice, OfficerTaken, BoundElsewhere, WrongCid, WrongEntry],
    status_code=200,
    tags=["accounts"],
)
async def list_officer(tx: InTx, data: JSONBody[OfficerEntry]) -> Officer:
    """เพิ่มเจ้าหน้าที่ในรายชื่อ หากเป็นบุคคลเดิมคือการแก้ไขรายการเดิม
    Puts an officer on the list; the same person again changes their line."""
    return (await service.list_officer(tx, data))[0]


@put(
    "/v1/officers/{id:uuid}",
    verb="officer.edit",
    problems=[NoOfficer, NoOffice, OfficerTaken, WrongCid, WrongEntry],
    tags=["accounts"],
)
async def edit_officer(tx: InTx, id: FromPath[UUID], data: JSONBody[OfficerEntry]) -> Officer:
    """แก้ไขรายชื่อเจ้าหน้าที่: หน่วยงาน บทบาท หรือการพ้นหน้าที่ สิทธิเปลี่ยนตามทันที
    Changes a line: office, roles, or `ended` for a leaver. Rights follow at once."""
    return (await service.list_officer(tx, data, id))[0]


@post(
    "/v1/officers/import",
    verb="officer.import",
    problems=[WrongEntry],
    status_code=200,
    tags=["accounts"],
)
async def import_officers(tx: InTx, body: RawBody) -> ImportReport:
    """นำเข้ารายชื่อเจ้าหน้าที่จาก CSV
    The list as CSV with the columns `office,name,position,roles,cid,number,email,ended`."""
    return await service.import_officers(tx, body)


@post(
    "/v1/accounts/{id:uuid}/suspend",
    verb="account.suspend",
    problems=[NoAccount, WrongEntry],
    status_code=204,
    tags=["accounts"],
)
async def suspend(tx: InTx, id: FromPath[UUID], data: JSONBody[Suspension]) -> None:
    """ระงับบัญชี: ออกจากระบบทุกอุปกรณ์ และเข้าสู่ระบบอีกไม่ได้
    Ends every session of an account and lets nobody in."""
    await service.suspend(tx, id, data.reason)


@post(
    "/v1/accounts/{id:uuid}/restore",
    verb="account.restore",
    problems=[NoAccount],
    status_code=204,
    tags=["accounts"],
)
async def restore(tx: InTx, id: FromPath[UUID]) -> None:
    """ยกเลิกการระงับบัญชี ให้เข้าสู่ระบบได้อีก
    Lets a suspended account sign in again."""
    await service.restore(tx, id)


@get("/v1/authorities", verb="authority.read", problems=[NoAccount], tags=["accounts"])
async def authorities(
    tx: InTx, account: Annotated[UUID | None, QueryParameter()] = None
) -> Page[Authority]:
    """คำสั่งแต่งตั้งของบัญชีที่ระบุ หากไม่ระบุคือของตนเอง
    Dated authority of an account, the caller's own by default."""
    return Page(await service.authorities(tx, account))


@put(
    "/v1/authorities/{id:uuid}",
    verb="authority.grant",
    problems=[NoAccount, WrongEntry],
    tags=["accounts"],
)
async def grant_authority(
    tx: InTx, id: FromPath[UUID], data: JSONBody[AuthorityGrant]
) -> Authority:
    """บันทึกคำสั่งแต่งตั้ง ด้วยรหัสที่ผู้ส่งกำหนด
    Records an order of appointment under an id of the sender."""
    return await service.grant_authority(tx, id, data)


@post(
    "/v1/authorities/{id:uuid}/revoke",
    verb="authority.revoke",
    problems=[NoAuthority],
    status_code=204,
    tags=["accounts"],
)
async def revoke_authority(tx: InTx, id: FromPath[UUID]) -> None:
    """ให้คำสั่งแต่งตั้งสิ้นผลทันที
    Ends a grant now."""
    await service.revoke_authority(tx, id)


@post(
    "/v1/companies",
    verb="company.edit",
    problems=[WrongJuristicId],
    status_code=200,
    tags=["accounts"],
)
async def write_company(tx: InTx, data: JSONBody[CompanyEntry]) -> Company:
    """บันทึกนิติบุคคลตามเลขทะเบียน หากมีเลขนี้แล้วคือการเปลี่ยนชื่อ
    A juristic person by its number; the same number again renames it."""
    return await service.write_company(tx, data)


@get(
    "/v1/companies/{id:uuid}/members",
    verb="company_member.read",
    problems=[NoCompany],
    tags=["accounts"],
)
async def members(tx: InTx, id: FromPath[UUID]) -> Page[Member]:
    """รายชื่อผู้แทนนิติบุคคล
    Who acts for a company."""
    return Page(await service.members(tx, id))


@post(
    "/v1/companies/{id:uuid}/members",
    verb="company_member.add",
    problems=[NoCompany, WrongCid],
    status_code=200,
    tags=["accounts"],
)
async def add_member(tx: InTx, id: FromPath[UUID], data: JSONBody[MemberEntry]) -> Member:
    """เพิ่มผู้แทนนิติบุคคล โดยผู้แทนที่มีอยู่แล้วหรือผู้ดูแลระบบ
    Lets a person act for a company, by a member of it or an administrator."""
    return await service.add_member(tx, id, data)


@delete(
    "/v1/companies/{id:uuid}/members/{member:uuid}",
    verb="company_member.remove",
    problems=[NoCompany, NoMember],
    status_code=204,
    tags=["accounts"],
)
async def remove_member(tx: InTx, id: FromPath[UUID], member: FromPath[UUID]) -> None:
    """ถอนผู้แทนนิติบุคคล ทำรายการแทนนิติบุคคลนั้นไม่ได้อีก
    Ends a membership; its rights end with the next write."""
    await service.remove_member(tx, id, member)


ROUTES = [
    me,
    profile,
    sessions,
    end_session,
    sign_out,
    offices,
    write_office,
    officers,
    list_officer,
    edit_officer,
    import_officers,
    suspend,
    restore,
    authorities,
    grant_authority,
    revoke_authority,
    write_company,
    members,
    add_member,
    remove_member,
]
