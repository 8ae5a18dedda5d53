"""The administrator's offices: made, changed, and what their officers then reach."""

from __future__ import annotations

import pytest
from litestar import Litestar

from api.accounts import authentication, binding, officer_queries, officers, seed
from api.accounts.model import OfficeEntry, OfficeKind, OfficerEntry, WrongEntry
from api.db import Tx
from api.permissions import Role

from .conftest import signed_in
from .test_officers import cid, identity, live


def municipality(**changes: object) -> OfficeEntry:
    fields = {
        "kind": OfficeKind.local,
        "name_th": "เทศบาลตัวอย่าง ระยอง",
        "name_en": "Sample Municipality, Rayong",
        "provinces": ["21"],
    } | changes
    return OfficeEntry(**fields)  # type: ignore[arg-type]


async def test_a_new_office_takes_officers_and_its_provinces_become_theirs(tx: Tx) -> None:
    made = await officers.write_office(tx, "local-21-1", municipality())
    assert made.provinces == ["21"]
    entry = OfficerEntry(
        office="local-21-1", name="ตัวอย่าง", roles=[Role.local_officer], cid=cid(2060)
    )
    await officers.list_officer(tx, entry)
    before = await live(tx, await binding.bind(tx, identity(2060)))
    assert (before.roles, before.provinces) == ({Role.local_officer}, ("21",))
    await officers.write_office(tx, "local-21-1", municipality(provinces=["22", "20", "22"]))
    assert (await authentication.check_live(tx, before)).provinces == ("20", "22")


async def test_an_office_written_twice_is_one_and_one_event(tx: Tx) -> None:
    made = await officers.write_office(tx, "local-21-2", municipality())
    assert await officers.write_office(tx, "local-21-2", municipality()) == made
    renamed = await officers.write_office(tx, "local-21-2", municipality(name_en="Renamed"))
    assert (renamed.id, renamed.name_en) == (made.id, "Renamed")
    names = await tx.values("select name from event where record = $1", made.id)
    assert names == ["office.written"] * 2


@pytest.mark.parametrize(
    ("code", "changes"),
    [("local-21-3", {"provinces": ["99"]}), ("Local", {}), ("ก", {}), ("x" * 41, {})],
)
async def test_an_office_with_a_wrong_code_or_an_unknown_province_is_refused(
    tx: Tx, code: str, changes: dict[str, object]
) -> None:
    with pytest.raises(WrongEntry):
        await officers.write_office(tx, code, municipality(**changes))
    assert await officer_queries.office_by_code(tx, code) is None


async def test_seeding_again_leaves_an_offices_provinces_as_the_administrator_set_them(
    tx: Tx,
) -> None:
    wider = municipality(kind=OfficeKind.pio, provinces=["11", "12"])
    office = await officers.write_office(tx, "pio-11", wider)
    narrower = municipality(kind=OfficeKind.pio, provinces=["12"])
    await officers.write_office(tx, "pio-11", narrower)
    await seed.reference(tx)
    held = await officer_queries.office(tx, office.id)
    assert held is not None
    assert (held.provinces, held.name_en) == (["12"], narrower.name_en)


async def test_only_the_administrator_writes_offices(site: Litestar) -> None:
    body = {"kind": "local", "name_th": "ตัวอย่าง", "name_en": "Sample", "provinces": ["11"]}
    for who in ("head", "department", "ministry", "auditor", "local-officer"):
        person = await signed_in(site, who)
        assert (await person.call("PUT", "/v1/offices/local-x", json=body)).status_code == 403, who
    administrator = await signed_in(site, "administrator")
    made = await administrator.call("PUT", "/v1/offices/local-x", json=body)
    assert made.status_code == 200, made.text
    listed = (await administrator.get("/v1/offices")).json()["items"]
    assert made.json() in listed
    wrong = await administrator.call("PUT", "/v1/offices/local-x", json=body | {"provinces": "11"})
    assert wrong.status_code in (400, 422)
