"""The administrator's list, the first sign-in that binds, leavers, companies and authority."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from litestar import Litestar

from api import permissions
from api.accounts import (
    authentication,
    binding,
    officer_queries,
    officers,
    seed,
    service,
    session_queries,
    signin,
)
from api.accounts.model import (
    AccountSuspended,
    BoundElsewhere,
    Identity,
    NoOfficer,
    NotListed,
    OfficerEntry,
    OfficerTaken,
    SessionEnded,
    WrongCid,
    WrongEntry,
)
from api.db import Database, Tx
from api.permissions import NOBODY, Role, Session
from api.problems import NotAllowed

from .conftest import PHONE, signed_in, unverified


def check_digit(twelve: str) -> str:
    return str((11 - sum(int(c) * (13 - i) for i, c in enumerate(twelve)) % 11) % 10)


def cid(number: int) -> str:
    """A national ID of the range that nobody has."""
    twelve = f"19999{number:07d}"
    return twelve + check_digit(twelve)


def identity(number: int, **changes: object) -> Identity:
    fields = {
        "issuer": "https://op.example",
        "subject": f"s{number}",
        "officers_only": False,
        "cid": cid(number),
        "name_th": "บุคคล ตัวอย่าง",
    } | changes
    return Identity(**fields)  # type: ignore[arg-type]


def entry(number: int, **changes: object) -> OfficerEntry:
    fields = {
        "office": "pio-11",
        "name": "เจ้าหน้าที่ ตัวอย่าง",
        "roles": [Role.inspector],
        "cid": cid(number),
    } | changes
    return OfficerEntry(**fields)  # type: ignore[arg-type]


async def live(tx: Tx, account: UUID) -> Session:
    """The account as its next write would see it."""
    session, _ = await signin.open_session(tx, account, PHONE, "")
    facts = await session_queries.facts(tx, session)
    assert facts is not None
    return authentication.session_of(facts)


async def test_the_first_sign_in_binds_a_listed_officer(tx: Tx) -> None:
    line, new = await officers.list_officer(tx, entry(2001))
    assert new
    account = await binding.bind(tx, identity(2001))
    assert (await live(tx, account)).roles == {Role.inspector}
    bound = await officer_queries.officer_of_account(tx, account)
    assert bound is not None
    assert bound.id == line.id
    assert await binding.bind(tx, identity(2001)) == account


async def test_a_citizen_who_is_listed_later_becomes_an_officer_at_the_next_sign_in(
    tx: Tx,
) -> None:
    account = await binding.bind(tx, identity(2002))
    assert (await live(tx, account)).roles == {Role.citizen}
    await officers.list_officer(tx, entry(2002))
    assert await binding.bind(tx, identity(2002)) == account
    assert (await live(tx, account)).provinces == ("11",)


async def test_one_person_has_one_account_at_every_provider(tx: Tx) -> None:
    one = await binding.bind(tx, identity(2003))
    other = await binding.bind(tx, identity(2003, issuer="https://other.example", subject="x"))
    assert one == other


async def test_a_subject_that_comes_with_another_persons_number_is_refused(tx: Tx) -> None:
    await binding.bind(tx, identity(2004))
    await binding.bind(tx, identity(2005))
    with pytest.raises(BoundElsewhere):
        await binding.bind(tx, identity(2004, cid=cid(2005)))


async def test_a_provider_for_officers_lets_in_only_the_listed(tx: Tx) -> None:
    with pytest.raises(NotListed):
        await binding.bind(tx, identity(2006, officers_only=True))
    await officers.list_officer(tx, entry(2006))
    assert await binding.bind(tx, identity(2006, officers_only=True))


async def test_an_officer_is_bound_by_email_only_where_officers_alone_sign_in(tx: Tx) -> None:
    await officers.list_officer(tx, entry(2007, cid=None, email="A.B@example.org"))
    stranger = identity(2008, cid=None, email="a.b@example.org")
    account = await binding.bind(tx, stranger)
    assert (await live(tx, account)).roles == {Role.citizen}
    officer = identity(2007, cid=None, email="a.b@EXAMPLE.org", officers_only=True)
    assert (await live(tx, await binding.bind(tx, officer))).roles == {Role.inspector}


async def test_an_officer_listed_by_number_and_email_is_one_account_by_both_ways(tx: Tx) -> None:
    await officers.list_officer(tx, entry(2009, email="c@example.org"))
    by_email = identity(2009, cid=None, email="c@example.org", officers_only=True)
    account = await binding.bind(tx, by_email)
    by_cid = identity(2009, issuer="https://thaid.example", subject="z")
    assert await binding.bind(tx, by_cid) == account


async def test_a_leaver_loses_roles_with_the_next_write_and_the_providers_door(tx: Tx) -> None:
    await officers.list_officer(tx, entry(2010))
    account = await binding.bind(tx, identity(2010))
    before = await live(tx, account)
    await officers.list_officer(tx, entry(2010, ended=True))
    after = await authentication.check_live(tx, before)
    assert after.roles == {Role.citizen}
    assert after.office is None
    with pytest.raises(NotAllowed):
        permissions.reaches(after, "visit.record")
    with pytest.raises(NotListed):
        await binding.bind(tx, identity(2010, officers_only=True))
    await officers.list_officer(tx, entry(2010))  # and comes back
    assert (await authentication.check_live(tx, before)).roles == {Role.inspector}


async def test_a_change_of_office_changes_the_provinces_at_once(tx: Tx) -> None:
    line, _ = await officers.list_officer(tx, entry(2011))
    account = await binding.bind(tx, identity(2011))
    session = await live(tx, account)
    changed, _ = await officers.list_officer(
        tx, entry(2011, office="pio-21", roles=[Role.provincial_head]), line.id
    )
    assert changed.version == line.version + 2  # bound, then changed
    after = await authentication.check_live(tx, session)
    assert (after.provinces, after.roles) == (("21",), {Role.provincial_head})


async def test_listing_the_same_again_changes_nothing(tx: Tx) -> None:
    await officers.list_officer(tx, entry(2012))
    line, changed = await officers.list_officer(tx, entry(2012))
    assert not changed
    assert line.version == 1


async def test_two_officers_cannot_share_an_identifier(tx: Tx) -> None:
    await officers.list_officer(tx, entry(2013))
    await officers.list_officer(tx, entry(2014, email="d@example.org"))
    with pytest.raises(OfficerTaken):
        await officers.list_officer(tx, entry(2013, email="d@example.org"))


async def test_a_bound_line_is_not_handed_to_another_person(tx: Tx) -> None:
    line, _ = await officers.list_officer(tx, entry(2015))
    await binding.bind(tx, identity(2015))
    with pytest.raises(WrongEntry):
        await officers.list_officer(tx, entry(2016), line.id)


@pytest.mark.parametrize("wrong", ["1999900000014", "123", "9999900000010", "๑๙๙๙๙๐๐๐๐๐๐๑๓"])
async def test_a_wrong_national_id_is_refused(tx: Tx, wrong: str) -> None:
    with pytest.raises(WrongCid):
        await officers.list_officer(tx, entry(1, cid=wrong))


async def test_the_roles_that_follow_from_facts_are_not_given(tx: Tx) -> None:
    for role in (Role.citizen, Role.operator):
        with pytest.raises(WrongEntry):
            await officers.list_officer(tx, entry(2017, roles=[role]))


async def test_a_list_in_the_thai_spreadsheets_encoding_is_read_and_bad_lines_reported(
    tx: Tx,
) -> None:
    text = (
        "office,name,roles,cid,email,ended\n"
        f"pio-11,เจ้าหน้าที่ หนึ่ง,inspector;provincial_officer,{cid(2020)},,\n"
        f"pio-99,เจ้าหน้าที่ สอง,inspector,{cid(2021)},,\n"
        "pio-11,เจ้าหน้าที่ สาม,inspector,1999900000014,,\n"
        f"pio-11,เจ้าหน้าที่ สี่,emperor,{cid(2022)},,\n"
        "pio-11,เจ้าหน้าที่ ห้า,auditor,,e@example.org,\n"
        "pio-11,เจ้าหน้าที่ หก,auditor,,,\n"
    )
    for encoding in ("cp874", "utf-8", "utf-8-sig"):
        report = await officers.import_officers(tx, text.encode(encoding))
        assert [line.line for line in report.rejected] == [3, 4, 5, 7]
        assert report.listed + report.unchanged == 2
    assert report.unchanged == 2
    account = await binding.bind(tx, identity(2020))
    assert (await live(tx, account)).roles == {Role.inspector, Role.provincial_officer}


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00\x00", b"office,name\n"])
async def test_a_file_that_is_no_list_is_refused_as_a_whole(tx: Tx, content: bytes) -> None:
    with pytest.raises(WrongEntry):
        await officers.import_officers(tx, content)


async def test_suspending_ends_every_session_and_lets_nobody_in(tx: Tx) -> None:
    account = await binding.bind(tx, identity(2030))
    session = await live(tx, account)
    await service.suspend(tx, account, "ทดสอบ")
    with pytest.raises(SessionEnded):
        await authentication.check_live(tx, session)
    with pytest.raises(AccountSuspended):
        await binding.bind(tx, identity(2030))
    await service.restore(tx, account)
    assert await binding.bind(tx, identity(2030)) == account
    with pytest.raises(SessionEnded):  # the old session stays ended
        await authentication.check_live(tx, session)


async def test_thirty_two_first_sign_ins_at_once_make_one_account(db: Database) -> None:
    async def once(i: int) -> UUID:
        async with db.begin(NOBODY) as tx:
            return await binding.bind(
                tx, identity(2031, issuer=f"https://op{i % 3}.example", subject="same")
            )

    assert len(set(await asyncio.gather(*(once(i) for i in range(32))))) == 1


# --- how an officer stands on what they sign ------------------------------------------------------


async def test_an_officers_card_gives_name_position_and_office_in_two_languages(tx: Tx) -> None:
    account = await seed.account(tx, "head")
    card = await service.officer_card(tx, account)
    assert (card.name_th, card.name_en) == ("หัวหน้า ตัวอย่าง", "Huana Tuayang (sample)")
    assert card.position_th == "อุตสาหกรรมจังหวัดสมุทรปราการ"
    assert card.position_en == "Provincial head, Samut Prakan"
    assert card.office_th == "สำนักงานอุตสาหกรรมจังหวัดสมุทรปราการ"
    assert card.office_en == "Samut Prakan Provincial Industry Office"
    assert card.ended_at is None


async def test_english_that_is_not_given_again_stays_and_empty_takes_it_away(tx: Tx) -> None:
    listed = entry(2060, position="นักวิชาการ", name_en=" Sample Officer ", position_en="Technician")
    await officers.list_officer(tx, listed)
    account = await binding.bind(tx, identity(2060))
    line, changed = await officers.list_officer(tx, entry(2060, position="นักวิชาการชำนาญการ"))
    assert changed
    card = await service.officer_card(tx, account)
    assert (card.name_en, card.position_en) == ("Sample Officer", "Technician")
    assert card.position_th == "นักวิชาการชำนาญการ"
    assert not (await officers.list_officer(tx, entry(2060, position="นักวิชาการชำนาญการ")))[1]
    await officers.list_officer(tx, entry(2060, position_en=""), line.id)
    assert (await service.officer_card(tx, account)).position_en == ""


async def test_the_list_as_a_file_may_bring_english_and_one_without_it_takes_none_away(
    tx: Tx,
) -> None:
    account = await binding.bind(tx, identity(2061))
    head = "office,name,position,roles,cid,name_en,position_en"
    line = f"pio-11,ตัวอย่าง,หัวหน้า,provincial_head,{cid(2061)},Sample Head,Head"
    await officers.import_officers(tx, f"{head}\n{line}\n".encode())
    assert await binding.bind(tx, identity(2061)) == account
    again = f"office,name,position,roles,cid\npio-11,ตัวอย่าง,หัวหน้า,provincial_head,{cid(2061)}\n"
    assert (await officers.import_officers(tx, again.encode())).unchanged == 1
    card = await service.officer_card(tx, account)
    assert (card.name_en, card.position_en) == ("Sample Head", "Head")


async def test_who_is_no_officer_has_no_card(tx: Tx) -> None:
    with pytest.raises(NoOfficer):
        await service.officer_card(tx, await binding.bind(tx, identity(2062)))


# --- over the wire --------------------------------------------------------------------------------


async def test_only_the_administrator_edits_the_list(site: Litestar) -> None:
    body = {"office": "pio-11", "name": "ตัวอย่าง", "roles": ["administrator"], "cid": cid(2050)}
    for who in ("inspector", "head", "department", "ministry", "auditor", "operator", "citizen"):
        person = await signed_in(site, who)
        assert (await person.call("POST", "/v1/officers", json=body)).status_code == 403, who
        answer = await person.call("POST", "/v1/officers/import", content=b"office,name,roles\n")
        assert answer.status_code == 403, who
    administrator = await signed_in(site, "administrator")
    listed = await administrator.call("POST", "/v1/officers", json=body | {"roles": ["auditor"]})
    assert listed.status_code == 200
    assert cid(2050) not in listed.text
    csv = f"office,name,roles,cid\npio-11,ตัวอย่าง,auditor,{cid(2051)}\n".encode()
    answer = await administrator.call("POST", "/v1/officers/import", content=csv)
    assert answer.json() == {"listed": 1, "changed": 0, "unchanged": 0, "rejected": []}


async def test_an_office_sees_its_own_officers_only(site: Litestar) -> None:
    here = (await (await signed_in(site, "inspector")).get("/v1/officers")).json()["items"]
    there = (await (await signed_in(site, "inspector-elsewhere")).get("/v1/officers")).json()
    assert {o["name"] for o in there["items"]} == {"ระยอง ตัวอย่าง"}
    assert "สมชาย ตัวอย่าง" in {o["name"] for o in here}
    foreign = there["items"][0]["office"]
    mine = await (await signed_in(site, "inspector")).get(f"/v1/officers?office={foreign}")
    assert mine.json()["items"] == []


async def test_a_member_adds_a_colleague_who_then_sees_the_company(site: Litestar) -> None:
    operator, stranger = await signed_in(site, "operator"), await signed_in(site, "stranger")
    company = (await operator.get("/v1/me")).json()["companies"][0]["id"]
    body = {"cid": cid(2060), "capacity": "employee"}
    refused = await stranger.call("POST", f"/v1/companies/{company}/members", json=body)
    assert refused.status_code == 404
    assert (await stranger.get(f"/v1/companies/{company}/members")).status_code == 404
    added = await operator.call("POST", f"/v1/companies/{company}/members", json=body)
    assert added.status_code == 200
    member = added.json()
    async with site.state.db.begin(NOBODY) as tx:
        account = await binding.bind(tx, identity(2060))
        session = await live(tx, account)
    assert str(account) == member["account"]
    assert str(session.companies[0]) == company
    assert Role.operator in session.roles
    path = f"/v1/companies/{company}/members/{member['id']}"
    assert (await stranger.call("DELETE", path)).status_code == 404
    assert (await operator.call("DELETE", path)).status_code == 204
    async with site.state.db.begin(session) as tx:
        assert (await authentication.check_live(tx, session)).roles == {Role.citizen}


async def test_a_removed_member_is_refused_by_the_next_write(site: Litestar) -> None:
    operator = await signed_in(site, "operator")
    company = (await operator.get("/v1/me")).json()["companies"][0]["id"]
    body = {"cid": cid(2061), "capacity": "agent"}
    member = (await operator.call("POST", f"/v1/companies/{company}/members", json=body)).json()
    async with site.state.db.begin(NOBODY) as tx:
        _, issued = await signin.open_session(tx, UUID(member["account"]), PHONE, "")
    agent = await signed_in(site, "citizen")
    agent.access = issued.access_token
    assert (await agent.get(f"/v1/companies/{company}/members")).status_code == 200
    async with site.state.db.begin(NOBODY) as tx:  # as another server would
        await tx.run("update company_member set ended_at = now() where id = $1", UUID(member["id"]))
    answer = await agent.call("POST", f"/v1/companies/{company}/members", json=body)
    assert answer.status_code in (403, 404)


async def test_an_administrator_cannot_lock_themselves_out(site: Litestar) -> None:
    administrator = await signed_in(site, "administrator")
    me = unverified(administrator.access)["sub"]
    answer = await administrator.call("POST", f"/v1/accounts/{me}/suspend", json={"reason": "ลองดู"})
    assert answer.status_code == 422


async def test_no_number_or_name_of_a_person_stands_readable_in_the_data_base(
    db: Database,
) -> None:
    async with db.begin(NOBODY) as tx:
        await seed.account(tx, "citizen")
        held = await tx.value(
            """
            select string_agg(t::text, ' ') from (
                select row_to_json(r) t from person r
                union all select row_to_json(r) from account r
                union all select row_to_json(r) from officer r
                union all select row_to_json(r) from provider_identity r
                union all select row_to_json(r) from event r) x
            """
        )
    for value in ("1999900000137", "ประชาชน", "1999900000013"):
        assert value not in held
        assert value.encode().hex() not in held


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/officers", {"office": "pio-11", "name": "ก", "roles": ["auditor"], "cid": "1"}, f)
        for f in ("office", "name", "position", "cid", "number", "email")
    ]
    + [("/v1/companies", {"juristic_id": "0999900000015", "name_th": "ก"}, "name_th")]
    + [("/v1/companies", {"juristic_id": "0999900000015", "name_th": "ก"}, "name_en")]
    + [("/v1/accounts/{me}/suspend", {"reason": "ก"}, "reason")],
)
@pytest.mark.parametrize("value", ["\0", "ก\0ข", "x" * 10_000, 7, None, ["ก"], {}])
async def test_strange_text_in_any_field_is_a_problem_and_no_fault(
    site: Litestar, path: str, body: dict[str, object], field: str, value: object
) -> None:
    administrator = await signed_in(site, "administrator")
    me = unverified(administrator.access)["sub"]
    answer = await administrator.call("POST", path.format(me=me), json=body | {field: value})
    assert answer.status_code == 422 or (field == "name_en" and answer.status_code < 300)


async def test_a_nul_in_any_parameter_of_a_sign_in_is_no_fault(site: Litestar) -> None:
    phone = await signed_in(site, "citizen")
    for name in ("client_id", "redirect_uri", "state", "provider", "device_name", "login_hint"):
        answer = await phone.authorize(**{name: "a\0b"})
        assert answer.status_code in (302, 400), name
    assert (await phone.redeem("a\0b")).status_code == 400
    for name in ("grant_type", "client_id", "redirect_uri", "code_verifier"):
        assert (await phone.redeem("code", **{name: "a\0b"})).status_code == 400, name
    for state in ("", "a\0b", "ก", "x" * 5000):
        answer = await phone.client.get("/oauth/callback/development", params={"state": state})
        assert answer.status_code == 422, state
    answer = await phone.client.get("/oauth/callback/a%00b", params={"state": "x"})
    assert answer.status_code == 422
