"""Reference data of offices, and the sample accounts of a development installation.

Runs as the owner of the tables; a second run changes nothing.
"""

from __future__ import annotations

from uuid import UUID

from api import ids, sealed
from api.accounts import binding, queries, signin
from api.accounts.model import Capacity, CompanyEntry, Identity, OfficerEntry
from api.accounts.officers import list_officer
from api.accounts.samples import BY_KEY, COMPANIES, LOCAL_OFFICE, SAMPLES
from api.accounts.service import write_company
from api.db import Tx

BANGKOK = "10"


async def reference(tx: Tx) -> int:
    """The offices: one of the ministry in every province but Bangkok, DIW, IEAT, the ministry.

    Needs the provinces (`places.load`) first. Returns how many were new; what an administrator
    changed of an office stays.
    """
    new = await tx.run(
        """
        insert into office (id, code, kind, name_th, name_en)
        select n.id, 'pio-' || p.code, 'pio', 'สำนักงานอุตสาหกรรมจังหวัด' || p.name_th,
            p.name_en || ' Provincial Industry Office'
        from (select code, name_th, name_en, row_number() over (order by code) as i
            from province where code <> $2) p
        join unnest($1::uuid[]) with ordinality as n(id, i) on n.i = p.i
        on conflict (code) do nothing
        """,
        [ids.new() for _ in range(100)],
        BANGKOK,
    )
    new += await _office(tx, "diw", "diw", "กรมโรงงานอุตสาหกรรม", "Department of Industrial Works")
    new += await _office(
        tx, "ieat", "ieat", "การนิคมอุตสาหกรรมแห่งประเทศไทย", "Industrial Estate Authority"
    )
    new += await _office(tx, "ministry", "ministry", "กระทรวงอุตสาหกรรม", "Ministry of Industry")
    await tx.run(
        """
        insert into office_province (office, province)
        select o.id, p.code from office o join province p
            on o.code = 'pio-' || p.code or (o.code = 'diw' and p.code = $1)
        where not exists (select from office_province x where x.office = o.id)
        on conflict do nothing
        """,
        BANGKOK,
    )
    return new


async def samples(tx: Tx) -> None:
    """The sample people and companies; officers are bound at their first sign-in like real ones."""
    await _office(
        tx, LOCAL_OFFICE, "local", "เทศบาลตัวอย่าง สมุทรปราการ", "Sample Municipality, Samut Prakan"
    )
    await tx.run(
        """
        insert into office_province (office, province)
        select id, '11' from office where code = $1 on conflict do nothing
        """,
        LOCAL_OFFICE,
    )
    companies: dict[str, UUID] = {}
    for company in COMPANIES:
        entry = CompanyEntry(
            juristic_id=company.juristic_id, name_th=company.name_th, name_en=company.name_en
        )
        companies[company.juristic_id] = (await write_company(tx, entry)).id
    for sample in SAMPLES:
        if sample.office is not None:
            entry_of_officer = OfficerEntry(
                office=sample.office,
                name=sample.name,
                position=sample.what_th,
                name_en=sample.name_en,
                position_en=sample.what_en,
                roles=list(sample.roles),
                cid=sample.cid,
            )
            await list_officer(tx, entry_of_officer)
        if sample.company is not None:
            account = await binding.person_with_cid(tx, sample.cid)
            company_id = companies[sample.company]
            await queries.insert_member(tx, ids.new(), company_id, account, Capacity.director, None)


async def account(tx: Tx, key: str) -> UUID:
    """The account of a sample person, bound as their first sign-in would bind it."""
    sample = BY_KEY[key]
    identity = Identity(
        issuer="sample:",
        subject=key,
        officers_only=False,
        cid=sample.cid,
        name_th=sample.name,
    )
    return await binding.bind(tx, identity)


async def sign_in(tx: Tx, key: str, device_name: str = "เครื่องตัวอย่าง") -> tuple[UUID, signin.Tokens]:
    """A session of a sample person without a browser, for tests and trials: (session, tokens)."""
    return await signin.open_session(tx, await account(tx, key), "superapp-phone", device_name)


async def _office(tx: Tx, code: str, kind: str, name_th: str, name_en: str) -> int:
    return await tx.run(
        """
        insert into office (id, code, kind, name_th, name_en) values ($1, $2, $3, $4, $5)
        on conflict (code) do nothing
        """,
        ids.new(),
        code,
        kind,
        name_th,
        name_en,
    )


def forget() -> None:
    """Empties this process's caches, for tests that roll back."""
    from api.accounts import authentication

    authentication.forget_all()
    sealed.forget()
