"""Issuing, verifying and reading documents, over HTTP, with rows and files tampered with."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
import pytest_asyncio
from litestar import Litestar

from api import codes, ids, keys, sealed, storage
from api.db import Database
from api.documents import service
from api.documents.model import Document, Force, WrongForce
from api.factories.seed import OPERATOR
from api.keys import Purpose
from api.permissions import Worker
from tests.documents import samples
from tests.documents.conftest import Issue, Work
from tests.world import World


async def verified(world: World, document: Document, **query: str) -> dict[str, Any]:
    found = await world.nobody.get(f"/v1/verify/{document.code}", params=query)
    assert found.status_code == 200, found.text
    told: dict[str, Any] = found.json()
    return told


async def set_force(db: Database, document: Document, force: Force) -> None:
    async with db.begin(Worker("test")) as tx:
        await service.set_force(tx, document.id, force, because="order.tried")


# --- verifying ----------------------------------------------------------------------------------


async def test_anyone_learns_that_a_document_exists_what_it_is_and_that_it_is_in_force(
    world: World, issue: Issue
) -> None:
    document = await issue("order")
    told = await verified(world, document)
    assert (told["record"], told["force"], told["kind"]) == ("intact", "in_force", "order")
    assert (told["number"], told["date"]) == ("อก 1/2569", "2026-11-23")
    assert told["office_en"] == samples.OFFICE.en
    typed = document.code.lower().replace("-", " ").replace("0", "o")
    again = await world.nobody.get(f"/v1/verify/{typed}")
    assert again.json() == told


async def test_the_public_answer_names_nobody_and_no_factory(world: World, issue: Issue) -> None:
    for kind in samples.WHOLE:
        document = await issue(kind)
        text = (await world.nobody.get(f"/v1/verify/{document.code}")).text
        for secret in ("นายตัวอย่าง", "นางตัวอย่าง", "บริษัท", "โรงงานตัวอย่าง", "99/9", "ปั๊ม"):
            assert secret not in text, (kind, secret)
        assert str(document.id) not in text and str(document.subject) not in text


async def test_a_typing_error_is_told_as_one_and_a_code_of_nothing_is_not_found(
    world: World, issue: Issue
) -> None:
    document = await issue()
    first = document.code[0]
    typo = ("7" if first != "7" else "8") + document.code[1:]
    found = await world.nobody.get(f"/v1/verify/{typo}", headers={"Accept-Language": "th"})
    assert (found.status_code, found.json()["code"]) == (422, "documents/code-mistyped")
    assert "พิมพ์" in found.json()["title"]
    found = await world.nobody.get(f"/v1/verify/{codes.new()}")
    assert (found.status_code, found.json()["code"]) == (404, "documents/no-such-document")


async def test_a_revoked_and_a_stayed_document_say_so(
    world: World, db: Database, issue: Issue
) -> None:
    document = await issue()
    await set_force(db, document, Force.stayed)
    assert (await verified(world, document))["force"] == "stayed"
    await set_force(db, document, Force.in_force)
    await set_force(db, document, Force.revoked)
    await set_force(db, document, Force.revoked)  # nothing new
    told = await verified(world, document)
    assert (told["record"], told["force"], told["force_en"]) == ("intact", "revoked", "revoked")
    with pytest.raises(WrongForce):
        await set_force(db, document, Force.in_force)


async def test_a_newer_document_takes_the_place_of_the_one_before(
    world: World, issue: Issue
) -> None:
    old = await issue()
    new = await issue(supersedes=old.id)
    assert (await verified(world, old))["force"] == "superseded"
    assert (await verified(world, new))["force"] == "in_force"


async def test_after_a_rotation_old_and_new_documents_verify(world: World, issue: Issue) -> None:
    old = await issue()
    before = keys.ring().active(Purpose.document).kid
    keys.ring().rotate(Purpose.document)
    new = await issue()
    assert before in _header(old.jws)
    assert before not in _header(new.jws)
    for document in (old, new):
        assert (await verified(world, document))["record"] == "intact"
    public = (await world.nobody.get("/.well-known/jwks.json")).json()["keys"]
    assert before in {key["kid"] for key in public}
    with pytest.raises(keys.KeyringError):
        keys.ring().retire(before)


def _header(jws: str) -> str:
    return sealed_header.decode() if (sealed_header := _decoded(jws)) else ""


def _decoded(jws: str) -> bytes:
    from api.documents import seals

    return seals._unb64(jws.partition("..")[0])


async def test_an_erased_document_still_says_that_it_existed(
    world: World, db: Database, issue: Issue
) -> None:
    document = await issue()
    async with db.begin(Worker("test")) as tx:
        key = await tx.value("select data_key from document where id = $1", document.id)
        await sealed.destroy_key(tx, key, reason="retention")
    told = await verified(world, document)
    assert told["record"] == "erased" and told["office_th"] is None
    found = await world.department.get(f"/v1/documents/{document.id}")
    assert (found.status_code, found.json()["code"]) == (404, "ground/erased")


# --- tampered with by direct SQL, as superuser --------------------------------------------------


CHANGES = {
    "content": "set content = set_byte(content, 60, get_byte(content, 60) # 1)",
    "content of another": "set content = (select content from document where id <> $1 limit 1)",
    "hash": "set hash = sha256('x'::bytea)",
    "jws": "set jws = overlay(jws placing 'AAAA' from length(jws) - 20)",
    "kind": "set kind = 'case_file'",
    "subject": "set subject = gen_random_uuid()",
    "province": "set province = '21'",
    "company": "set company = (select id from company limit 1)",
    "language": "set language = 'en'",
    "issued_at": "set issued_at = issued_at - interval '1 day'",
}


@pytest.mark.parametrize("change", sorted(CHANGES))
async def test_a_changed_record_is_told_as_tampered_with(
    world: World, issue: Issue, superuser: asyncpg.Connection, change: str
) -> None:
    await issue()
    document = await issue()
    sql = f"update document {CHANGES[change]} where id = $1"
    assert await superuser.execute(sql, document.id) == "UPDATE 1"
    told = await verified(world, document)
    assert {k for k, v in told.items() if v is not None} == {"code", "record", "file"}
    assert told["record"] == "tampered"
    found = await world.department.get(f"/v1/documents/{document.id}")
    assert (found.status_code, found.json()["code"]) == (409, "documents/record-tampered")


FORCES = {
    "made milder": "update document_force set force = 'stayed' where document = $1 and n = 2",
    "the last one gone": "delete from document_force where document = $1 and n = 2",
    "the first one gone": "delete from document_force where document = $1 and n = 1",
    "all gone": "delete from document_force where document = $1",
    "dated back": "update document_force set at = at - interval '1 day' where document = $1",
    "another's": """
        update document_force set jws = (select jws from document_force where document <> $1
            and n = 1 limit 1) where document = $1 and n = 1""",
    "a third added": """
        insert into document_force select document, 3, 'in_force', at, because, jws
        from document_force where document = $1 and n = 1""",
}


@pytest.mark.parametrize("change", sorted(FORCES))
async def test_what_became_of_a_document_cannot_be_rewritten(
    world: World, db: Database, issue: Issue, superuser: asyncpg.Connection, change: str
) -> None:
    await issue()
    document = await issue()
    await set_force(db, document, Force.revoked)
    await superuser.execute(FORCES[change], document.id)
    assert (await verified(world, document))["record"] == "tampered"


async def test_a_forged_pdf_is_not_vouched_for_by_changing_its_hash(
    world: World, issue: Issue, work: Work, superuser: asyncpg.Connection
) -> None:
    document = await issue()
    await work()
    forged = hashlib.sha256(b"forged").digest()
    await superuser.execute(
        "update document_file set sha256 = $2 where document = $1", document.id, forged
    )
    told = await verified(world, document, sha256=forged.hex())
    assert told["record"] == "tampered"
    found = await world.department.get(f"/v1/documents/{document.id}/pdf")
    assert (found.status_code, found.json()["code"]) == (409, "documents/record-tampered")


# --- the PDF ------------------------------------------------------------------------------------


async def test_the_worker_renders_the_pdf_and_its_hash_is_vouched_for(
    world: World, issue: Issue, work: Work
) -> None:
    document = await issue("visit_record")
    path = f"/v1/documents/{document.id}/pdf"
    early = await world.inspector.get(path)
    assert (early.status_code, early.json()["code"]) == (409, "documents/not-rendered")
    assert (await verified(world, document, sha256="0" * 64))["file"] == "not_rendered"
    await work()
    pdf = await world.inspector.get(path)
    assert pdf.status_code == 200 and pdf.headers["content-type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF-1.")
    digest = hashlib.sha256(pdf.content).hexdigest()
    assert (await verified(world, document, sha256=digest))["file"] == "unchanged"
    assert (await verified(world, document, sha256=digest.upper()))["file"] == "unchanged"
    changed = hashlib.sha256(pdf.content + b"\n").hexdigest()
    assert (await verified(world, document, sha256=changed))["file"] == "different"
    shown = (await world.inspector.get(f"/v1/documents/{document.id}")).json()
    assert (shown["pdf_sha256"], shown["pdf_size"]) == (digest, len(pdf.content))


async def test_a_pdf_rendered_twice_is_one(
    world: World, db: Database, issue: Issue, work: Work
) -> None:
    from api import jobs

    document = await issue()
    await work()
    async with db.begin(Worker("test")) as tx:
        before = await tx.value(
            "select count(*) from event where record = $1 and name = 'document.rendered'",
            document.id,
        )
        await jobs.enqueue(tx, service.RENDER, {"document": document.id}, key=str(document.id))
    await work()
    async with db.read() as tx:
        after = await tx.value(
            "select count(*) from event where record = $1 and name = 'document.rendered'",
            document.id,
        )
    assert (before, after) == (1, 1)


async def test_a_worker_killed_after_the_store_and_before_the_row_finishes_the_next_time(
    world: World, db: Database, issue: Issue, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The PDF is there already, under the name of its own hash."""
    document = await issue()
    keep = service.keep_file

    async def killed(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(service, "keep_file", killed)
    await work()
    monkeypatch.setattr(service, "keep_file", keep)
    async with db.begin(Worker("test")) as tx:
        await tx.run("update job set due_at = $1 where key = $2", tx.now, str(document.id))
    await work()
    assert (await world.inspector.get(f"/v1/documents/{document.id}/pdf")).status_code == 200


@pytest.mark.parametrize("change", ["other bytes", "gone"])
async def test_a_pdf_changed_in_the_store_is_never_handed_out(
    world: World,
    db: Database,
    issue: Issue,
    work: Work,
    change: str,
) -> None:
    document = await issue()
    await work()
    async with db.read() as tx:
        key = await tx.value("select object from document_file where document = $1", document.id)
    folder = storage.current().folder
    assert folder is not None
    path = folder / key
    stored = path.read_bytes()
    assert b"%PDF" not in stored  # sealed: it names people
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(stored[:-1] + bytes([stored[-1] ^ 1]))
    found = await world.inspector.get(f"/v1/documents/{document.id}/pdf")
    assert (found.status_code, found.json()["code"]) == (409, "documents/record-tampered")


# --- who may read -------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def own(world: World, db: Database, issue: Issue) -> Document:
    """A document that concerns the sample operator's company."""
    async with db.read() as tx:
        company = await tx.value("select id from company where juristic_id = $1", OPERATOR)
    return await issue("order", company=company)


async def test_the_office_and_the_company_concerned_read_it_and_nobody_else(
    world: World, own: Document, work: Work
) -> None:
    await work()
    for path in (f"/v1/documents/{own.id}", f"/v1/documents/{own.id}/pdf"):
        for key in ("inspector", "head", "department", "ministry", "auditor", "operator"):
            assert (await world[key].get(path)).status_code == 200, key
        for key in ("stranger", "inspector-elsewhere"):
            assert (await world[key].get(path)).status_code == 404, key
        assert (await world.citizen.get(path)).status_code == 403
        assert (await world.nobody.get(path)).status_code == 401


async def test_a_list_has_only_what_the_caller_may_read(
    world: World, own: Document, issue: Issue
) -> None:
    elsewhere = await issue(province="21")
    mine = await issue()
    for key, wanted in {
        "inspector": {own.id, mine.id},
        "operator": {own.id},
        "stranger": set(),
        "inspector-elsewhere": {elsewhere.id},
        "ministry": {own.id, mine.id, elsewhere.id},
    }.items():
        found = (await world[key].get("/v1/documents?limit=200")).json()["items"]
        seen = {UUID(line["id"]) for line in found}
        assert seen & {own.id, mine.id, elsewhere.id} == wanted, key
    only = (await world.inspector.get(f"/v1/documents?subject={own.subject}")).json()["items"]
    assert [(o["id"], o["force"]) for o in only] == [(str(own.id), "in_force")]


async def test_pages_of_the_list_join_without_gap(world: World, issue: Issue) -> None:
    subject = ids.new()
    made = [str((await issue(subject=subject)).id) for _ in range(5)]
    seen, cursor = [], None
    while True:
        query = {"subject": str(subject), "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await world.inspector.get("/v1/documents", params=query)).json()
        seen += [line["id"] for line in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == made[::-1]


async def test_every_opening_is_recorded(world: World, db: Database, own: Document) -> None:
    await world.operator.get(f"/v1/documents/{own.id}")
    async with db.read() as tx:
        opened = await tx.value(
            "select count(*) from event where record = $1 and name = 'document.unsealed' "
            "and account = $2",
            own.id,
            world.operator.account,
        )
    assert opened == 1


async def test_content_is_sealed_in_the_data_base(
    issue: Issue, superuser: asyncpg.Connection
) -> None:
    document = await issue()
    row = await superuser.fetchrow("select * from document where id = $1", document.id)
    assert "นางตัวอย่าง".encode() in document.content.encode()
    assert not any("นางตัวอย่าง".encode() in v for v in row.values() if isinstance(v, bytes))
    told = await superuser.fetch("select facts from event where record = $1", document.id)
    assert not any("ตัวอย่าง" in r["facts"] for r in told)


async def test_what_does_not_fit_its_kind_is_never_issued(issue: Issue) -> None:
    with pytest.raises(msgspec.ValidationError):
        await issue("visit_record", content=samples.WHOLE["order"])


# --- the public's page and its limits -----------------------------------------------------------


@pytest_asyncio.fixture
async def elsewhere(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with an address of their own."""
    transport = httpx.ASGITransport(app=app, client=("203.0.113.7", 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


async def test_codes_cannot_be_tried_out_by_the_thousand(elsewhere: httpx.AsyncClient) -> None:
    statuses = [(await elsewhere.get(f"/v1/verify/{codes.new()}")).status_code for _ in range(70)]
    assert statuses[:60] == [404] * 60
    assert 429 in statuses[60:]


async def test_the_page_runs_nothing_from_elsewhere(world: World, issue: Issue) -> None:
    document = await issue()
    for path in ("/verify", f"/verify/{document.code}"):
        page = await world.nobody.get(path)
        assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "//" not in page.text.replace("<!doctype", "")
        assert page.text.index("ตรวจสอบเอกสาร") < page.text.index("Verify a document")
    for path, media in (("page.js", "text/javascript"), ("page.css", "text/css")):
        assert (await world.nobody.get(f"/verify/{path}")).headers["content-type"].startswith(media)


@pytest.mark.parametrize("sha256", ["", "0", "g" * 64, "0" * 63, "0" * 65, "é" * 64])
async def test_a_hash_that_is_none_is_told(world: World, sha256: str) -> None:
    found = await world.nobody.get(f"/v1/verify/{codes.new()}", params={"sha256": sha256})
    assert (found.status_code, found.json()["code"]) == (422, "ground/malformed")
