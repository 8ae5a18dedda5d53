"""What every request passes: identity, bodies of every kind, one transaction, problems, logs."""

from __future__ import annotations

import asyncio
import functools
import gzip
import io
import json
import logging
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from litestar import Litestar, Request
from litestar.params import JSONBody

from api import clock, ids, logs
from api.accounts import seed as accounts
from api.db import Database, Tx
from api.edge import DEPENDENCIES, EXCEPTION_HANDLERS, InTx, admit, get, post
from api.envelope import Envelope
from api.logs import JsonLines
from api.permissions import PUBLIC, Worker
from api.problems import CATALOGUE, Conflict, Problem
from tests.world import Person, World, encode, now, record

packed = functools.partial(gzip.compress, mtime=0)  # the same name of a test in every worker
GZIP = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
JSON = {"Content-Type": "application/json"}


def is_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert (document["status"], document["code"]) == (status, code), document
    assert document["type"] == f"/problems/{code}"
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


# --- problems -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "th"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("th-TH,th;q=0.9,en;q=0.8", "th"),
        ("en;q=0.2, th", "th"),
        ("en-US,en;q=0.9,th;q=0.8", "en"),
        ("fr", "th"),
        ("*", "th"),
    ],
)
async def test_a_problem_speaks_thai_unless_english_is_preferred(
    world: World, asked: str, language: str
) -> None:
    answer = await world.nobody.get("/v1/me", headers={"Accept-Language": asked} if asked else {})
    document = is_problem(answer, 401, "ground/sign-in-needed")
    assert document["title"] == {"th": "กรุณาเข้าสู่ระบบ", "en": "Please sign in"}[language]
    assert answer.headers["content-language"] == language


async def test_the_type_of_a_problem_leads_to_its_page(world: World) -> None:
    document = (await world.nobody.get("/v1/me")).json()
    page = await world.nobody.get(document["type"])
    assert page.status_code == 200
    assert page.json()["th"] == document["title"]
    is_problem(await world.nobody.get("/problems/no/such"), 404, "ground/not-found")


async def test_an_unknown_address_is_a_problem_too(world: World) -> None:
    for path in ("/v1/nothing", "/v1/visits/not-an-id", "/favicon.ico", "/docs/none.js"):
        is_problem(await world.inspector.get(path), 404, "ground/not-found")


async def test_a_wrong_method_is_told_the_right_ones(world: World) -> None:
    answer = await world.inspector.request("DELETE", "/v1/visits")
    is_problem(answer, 405, "ground/wrong-method")
    assert "GET" in answer.headers["allow"].split(", ")
    answer = await world.inspector.request("PATCH", "/v1/sync")
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/sync", "GET, OPTIONS, POST"),
        ("/v1/visits/01980000-0000-7000-8000-000000000000", "GET, OPTIONS, PUT"),
        ("/v1/visits", "GET, OPTIONS"),
        ("/problems/inspection/not-lead", "GET, OPTIONS"),
        ("/", "GET, OPTIONS"),
    ],
)
async def test_options_names_every_method_of_an_address(
    world: World, path: str, methods: str
) -> None:
    answer = await world.nobody.request("OPTIONS", path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == methods


async def test_options_of_an_unknown_address_is_a_404(world: World) -> None:
    is_problem(await world.nobody.request("OPTIONS", "/v1/nothing"), 404, "ground/not-found")


async def test_a_401_says_how_to_sign_in(world: World) -> None:
    answer = await world.nobody.get("/v1/me")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    [
        "Basic dXNlcjpwYXNz",
        "Bearer",
        "Bearer ",
        "Bearer a.b.c",
        "bearer \x7f",
        "Bearer " + "x" * 20_000,
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
    ],
)
async def test_a_token_that_is_none_is_a_401_and_never_a_fault(world: World, header: str) -> None:
    answer = await world.http.get("/v1/me", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["code"] in ("ground/sign-in-needed", "accounts/token-refused")


# --- request id ---------------------------------------------------------------------------------


async def test_the_trail_carries_our_request_id_and_never_the_callers(
    world: World, db: Database, lines: list[dict[str, Any]]
) -> None:
    mine = f"phone-{ids.new().hex[:12]}"
    visit = await world.plan()
    body = encode({"operations": [record(visit)]})
    lines.clear()
    answer = await world.inspector.post("/v1/sync", content=body, headers={"X-Request-Id": mine})
    ours = answer.headers["x-request-id"]
    assert len(ours) == 32
    async with db.read() as tx:
        assert "visit.recorded" in await tx.values(
            "select name from event where request_id = $1", ours
        )
        assert not await tx.values("select name from event where request_id = $1", mine)
    (line,) = [line for line in lines if line["message"] == "request"]
    assert (line["request_id"], line["client_request_id"]) == (ours, mine)


async def test_one_id_sent_twice_is_two_requests(world: World) -> None:
    headers = {"X-Request-Id": "the-same-id"}
    first = await world.nobody.get("/v1/me", headers=headers)
    second = await world.nobody.get("/v1/me", headers=headers)
    assert first.json()["request_id"] == first.headers["x-request-id"]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "with space", "a/../b1234", "ก" * 10])
async def test_a_callers_request_id_of_another_form_is_not_even_logged(
    world: World, lines: list[dict[str, Any]], given: str
) -> None:
    answer = await world.nobody.get("/health", headers={"X-Request-Id": given.encode()})
    assert len(answer.headers["x-request-id"]) == 32
    (line,) = [line for line in lines if line["message"] == "request"]
    assert "client_request_id" not in line


# --- bodies -------------------------------------------------------------------------------------


async def push(person: Person, content: bytes, headers: dict[str, str]) -> httpx.Response:
    return await person.post("/v1/sync", content=content, headers=headers)


async def test_a_gzip_body_is_unpacked(world: World) -> None:
    body = gzip.compress(encode({"operations": []}))
    answer = await push(world.inspector, body, GZIP)
    assert (answer.status_code, answer.json()) == (200, {"results": []})
    answer = await world.inspector.post(
        "/v1/sync", content=body, headers=GZIP | {"Content-Encoding": " GZIP "}
    )
    assert answer.status_code == 200


async def test_a_bomb_ends_at_the_limit_and_costs_little_memory(world: World) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(300)) + packer.flush()
    assert len(bomb) < 400_000
    document = is_problem(await push(world.inspector, bomb, GZIP), 413, "ground/too-large")
    assert document["limit_bytes"] == 8 * 1024 * 1024


async def test_a_plain_body_over_the_limit_ends_there_too(world: World) -> None:
    body = b'{"operations": [' + b" " * (8 * 1024 * 1024) + b"]}"
    is_problem(await push(world.inspector, body, JSON), 413, "ground/too-large")
    plan = await world.head.put(f"/v1/visits/{ids.new()}", content=body, headers=JSON)
    is_problem(plan, 413, "ground/too-large")


async def test_a_body_exactly_at_the_limit_is_read(world: World) -> None:
    start, end = b'{"operations": [', b"]}"
    body = start + b" " * (8 * 1024 * 1024 - len(start) - len(end)) + end
    assert (await push(world.inspector, gzip.compress(body), GZIP)).status_code == 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"this is not gzip", "damaged"),
        (packed(b'{"operations": []}')[:-9], "cut"),
        (packed(b'{"operations": []}') + b"more", "follows"),
        (packed(b'{"operations"') + packed(b": []}"), "follows"),
        (packed(b'{"operations": []}' * 99)[:40], "cut"),
        (b"", "cut"),
        (packed(b"x" * 999)[:-8] + b"\0" * 8, "damaged"),
        (zlib.compress(b'{"operations": []}'), "damaged"),
    ],
)
async def test_a_damaged_or_cut_body_is_told_so(world: World, content: bytes, said: str) -> None:
    document = is_problem(await push(world.inspector, content, GZIP), 422, "ground/malformed")
    assert said in document["reason"]


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd", "x" * 200])
async def test_another_encoding_is_refused_by_name(world: World, encoding: str) -> None:
    answer = await push(world.inspector, b"{}", JSON | {"Content-Encoding": encoding})
    assert is_problem(answer, 422, "ground/malformed")["where"] == "header Content-Encoding"


DEEP = b"[" * 200_000 + b"]" * 200_000
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "cut": b'{"operations": [',
    "two values": b"{} {}",
    "deep": DEEP,
    "deep in a field": b'{"operations": ' + DEEP + b"}",
    "latin-1": '{"operations": "é"}'.encode("latin-1"),
    "utf-16": '{"operations": []}'.encode("utf-16"),
    "tis-620": '{"operations": "ตรวจ"}'.encode("tis-620"),
    "lone surrogate": b'{"operations": "\\ud800"}',
    "raw NUL": b'{"operations": "\0"}',
    "NaN": b'{"operations": NaN}',
    "null": b"null",
    "a list": b"[]",
    "a number": b"1e999999",
    "wrong type": b'{"operations": {}}',
    "missing": b"{}",
    "byte order mark": b"\xef\xbb\xbf{}",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
async def test_json_that_is_none_is_a_clear_problem_for_the_sync(
    world: World, content: bytes
) -> None:
    document = is_problem(await push(world.inspector, content, JSON), 422, "ground/malformed")
    assert document["reason"]


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
async def test_json_that_is_none_is_a_clear_problem_for_a_desk(
    world: World, content: bytes
) -> None:
    answer = await world.head.put(f"/v1/visits/{ids.new()}", content=content, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] in ("ground/malformed", "ground/bad-request")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "/",
    ],
)
async def test_a_wrong_content_type_never_becomes_a_fault(world: World, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    for method, path in (("PUT", f"/v1/visits/{ids.new()}"), ("POST", "/oauth/token")):
        answer = await world.head.request(method, path, content=b"x=1", headers=headers)
        assert 400 <= answer.status_code < 500, answer.text
        assert "json" in answer.headers["content-type"]


@pytest.mark.parametrize("field", ["note", "premises"])
async def test_a_nul_at_the_desk_is_refused_in_words(world: World, field: str) -> None:
    plan = {
        "premises": str(await world.premises()),
        "planned_on": now().date().isoformat(),
        "lead": str(world.inspector.account),
    } | {field: "a\0b"}
    answer = await world.head.put(f"/v1/visits/{ids.new()}", content=encode(plan), headers=JSON)
    is_problem(answer, 422, "ground/malformed")


@pytest.mark.parametrize("number", ["1" * 400, "1e400", "-1e400", "1.5", "true", '"3"', "1e2"])
async def test_a_huge_or_odd_number_in_a_body_is_refused_or_read(world: World, number: str) -> None:
    body = b'{"name":"x","province":"11","lat":%s,"lng":100.5}' % number.encode()
    answer = await world.inspector.post("/v1/factories", content=body, headers=JSON)
    assert answer.status_code in (201, 400, 422), answer.text


@pytest.mark.parametrize("query", ["limit=0", "limit=99999999999999999999", "limit=x", "limit="])
async def test_a_wrong_parameter_names_itself(world: World, query: str) -> None:
    document = is_problem(await world.inspector.get(f"/v1/visits?{query}"), 422, "ground/malformed")
    assert "limit" in json.dumps(document["where"])


async def test_odd_bytes_in_the_address_are_no_fault(world: World) -> None:
    for query in ("cursor=%00", "cursor=%ff%fe", "q=%00", "q=%ed%a0%80", "near=nan,inf", "near=,"):
        for path in ("/v1/sync", "/v1/visits", "/v1/factories", "/v1/sync/receipts"):
            answer = await world.inspector.get(f"{path}?{query}")
            assert answer.status_code in (200, 422), (path, query, answer.text)


# --- the one transaction ------------------------------------------------------------------------


class Counted(Conflict, code="test/counted", th="นับแล้ว", en="Counted ({step})"):
    """Of these tests alone, and not of the catalogue that others hold against the documents."""


CATALOGUE.pop(Counted.code)


class Day(msgspec.Struct):
    day: str


@post("/try/survives", verb=PUBLIC, operation="try.survives", status_code=200)
async def survives(tx: InTx, data: JSONBody[Day]) -> None:
    """Writes, then refuses; the refusal leaves a trace of its own."""
    await _declare(tx, data.day, "ในธุรกรรมที่ถูกยกเลิก")

    async def trace(later: Tx) -> None:
        await _declare(later, data.day, "หลังยกเลิก")

    raise Counted(step=1).surviving(trace)


@post("/try/fault", verb=PUBLIC, operation="try.fault", status_code=200)
async def fault(tx: InTx, data: JSONBody[Day]) -> None:
    """Writes, then breaks with somebody's data in its message."""
    await _declare(tx, data.day, "x")
    raise RuntimeError("1999900000013 สมชาย ตัวอย่าง")


@post("/try/slow", verb=PUBLIC, operation="try.slow", status_code=200)
async def slow(tx: InTx, data: JSONBody[Day]) -> str:
    """Writes and answers."""
    await _declare(tx, data.day, "ตอบแล้ว")
    return "x" * 5000


@post("/try/lost", verb=PUBLIC, operation="try.lost", status_code=200)
async def lost(tx: InTx, data: JSONBody[Day]) -> None:
    """Loses its connection, as where PostgreSQL was killed; `day` says what it does then."""
    if data.day == "survives":

        async def never(later: Tx) -> None:
            raise ConnectionRefusedError

        raise Counted(step=1).surviving(never)
    tx._connection.terminate()
    await tx.value("select 1")


@get("/try/who", verb=PUBLIC, operation="try.who")
async def who(request: Request[Any, Any, Any]) -> str:
    """The address that the server believes."""
    return request.client.host if request.client else ""


async def _declare(tx: Tx, day: str, name: str) -> None:
    await tx.run(
        "insert into special_day (day, working, name_th) values ($1::text::date, false, $2)",
        day,
        name,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def trial(db: Database) -> AsyncIterator[Litestar]:
    found = Litestar(
        [survives, fault, slow, lost, who],
        dependencies=DEPENDENCIES,
        exception_handlers=EXCEPTION_HANDLERS,
        before_request=admit,
        openapi_config=None,
        logging_config=None,
    )
    found.state.db = db
    found.asgi_handler = Envelope(found.asgi_handler, 1 << 20)
    yield found


@pytest_asyncio.fixture
async def trial_http(trial: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(
        app=trial, client=("192.0.2.7", 4000), raise_app_exceptions=True
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


async def held(db: Database, day: str) -> str | None:
    async with db.read() as tx:
        found: str | None = await tx.value(
            "select name_th from special_day where day = $1::text::date", day
        )
    return found


async def test_a_problem_rolls_back_and_what_must_survive_it_is_committed(
    trial_http: httpx.AsyncClient, db: Database
) -> None:
    answer = await trial_http.post("/try/survives", json={"day": "2190-01-01"})
    assert is_problem(answer, 409, "test/counted")["step"] == 1
    assert await held(db, "2190-01-01") == "หลังยกเลิก"


async def test_a_fault_rolls_back_tells_nothing_and_logs_where(
    trial_http: httpx.AsyncClient, db: Database, lines: list[dict[str, Any]]
) -> None:
    answer = await trial_http.post(
        "/try/fault", json={"day": "2190-01-02"}, headers={"Accept-Language": "en"}
    )
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "code": "ground/fault",
        "title": "Something went wrong on our side; it has been logged",
        "status": 500,
        "request_id": answer.headers["x-request-id"],
    }
    assert await held(db, "2190-01-02") is None
    (line,) = [line for line in lines if line["message"] == "fault"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert any("test_edge.py" in frame for frame in line["trace"])
    assert "1999900000013" not in json.dumps(lines, ensure_ascii=False)


@pytest.mark.parametrize("how", ["lost", "survives"])
async def test_a_data_base_that_is_lost_on_the_way_is_a_503_and_no_fault(
    trial_http: httpx.AsyncClient, how: str
) -> None:
    """Also where a refusal's trace could not be kept: then nothing was refused yet."""
    answer = await trial_http.post("/try/lost", json={"day": how})
    is_problem(answer, 503, "ground/unavailable")
    assert answer.headers["retry-after"].isdigit()


async def test_the_commit_comes_before_the_first_byte(trial: Litestar, db: Database) -> None:
    seen: list[str | None] = []
    body = b'{"day": "2190-01-03"}'

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            seen.append(await held(db, "2190-01-03"))

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/try/slow",
        "raw_path": b"/try/slow",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"21")],
        "client": ("192.0.2.7", 1),
        "server": ("testserver", 80),
        "scheme": "http",
        "http_version": "1.1",
        "app": trial,
    }
    await trial(scope, receive, send)  # type: ignore[arg-type]
    assert seen == ["ตอบแล้ว"]


async def test_a_forwarded_address_is_not_believed(trial_http: httpx.AsyncClient) -> None:
    forged = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Real-IP": "::1"}
    assert (await trial_http.get("/try/who", headers=forged)).text == "192.0.2.7"


async def test_metrics_are_for_the_machine_itself(app: Litestar, world: World) -> None:
    await world.inspector.get("/v1/me")
    found = (await world.nobody.get("/metrics")).text
    assert 'superapp_answers_total{operation="account.me",status="200"}' in found
    assert "superapp_feed_lag_seconds" in found
    far = httpx.ASGITransport(app=app, client=("192.0.2.7", 4000))
    async with httpx.AsyncClient(transport=far, base_url="http://testserver") as client:
        answer = await client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})
    is_problem(answer, 404, "ground/not-found")


# --- sessions -----------------------------------------------------------------------------------


async def newcomer(world: World, key: str) -> Person:
    """Another session of a sample person, to be ended."""
    async with world.db.begin(Worker("test")) as tx:
        account = await accounts.account(tx, key)
        _, tokens = await accounts.sign_in(tx, key)
    return Person(world.http, key, account, tokens.access_token)


async def test_a_write_after_the_sessions_end_is_refused_though_reads_are_still_remembered(
    world: World, db: Database
) -> None:
    person = await newcomer(world, "inspector")
    visit = await world.plan()
    assert (await person.get("/v1/me")).status_code == 200  # remembered for 30 s
    async with db.begin(Worker("elsewhere")) as tx:  # another process ends it: no cache is told
        await tx.run(
            """
            update session set ended_at = now(), end_reason = 'signed_out'
            where account = $1 and ended_at is null and id = $2
            """,
            person.account,
            await _session_of(person),
        )
    assert (await person.get("/v1/me")).status_code == 200
    answer = await person.post("/v1/sync", content=encode({"operations": [record(visit)]}))
    is_problem(answer, 401, "accounts/session-ended")
    assert (await person.get("/v1/me")).status_code == 401  # and now reads know it too
    async with db.read() as tx:
        assert await tx.value("select state from visit where id = $1", visit) == "planned"


async def _session_of(person: Person) -> Any:
    found = await person.get("/v1/sessions")
    (current,) = [s["id"] for s in found.json()["items"] if s["current"]]
    return current


async def test_signing_out_ends_reads_and_writes_at_once(world: World) -> None:
    person = await newcomer(world, "citizen")
    assert (await person.post("/v1/session/end")).status_code == 204
    is_problem(await person.get("/v1/me"), 401, "accounts/session-ended")
    is_problem(await person.post("/v1/session/end"), 401, "accounts/session-ended")


async def test_an_expired_token_is_told_apart_so_that_the_app_renews_it(world: World) -> None:
    from datetime import timedelta

    person = await newcomer(world, "inspector")
    assert (await person.get("/v1/me")).status_code == 200
    with clock.travel(timedelta(minutes=11)):
        is_problem(await person.get("/v1/me"), 401, "accounts/token-expired")


# --- logs ---------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Any:
    """What would be logged, as JSON."""
    found: list[dict[str, Any]] = []
    stream = io.StringIO()

    class Kept(logging.Handler):
        def emit(self, entry: logging.LogRecord) -> None:
            line = JsonLines().format(entry)
            stream.write(line)
            found.append(json.loads(line))

    handler, root = Kept(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield found
    root.removeHandler(handler)
    root.setLevel(before)


async def test_one_line_a_request_with_its_id_and_nothing_personal(
    world: World, lines: list[dict[str, Any]]
) -> None:
    visit = await world.begun()
    lines.clear()
    name = "สมมุติ ผู้แทนโรงงาน"
    op = record(visit, representative={"presence": "signed", "name": name})
    body = encode({"operations": [op]})
    answer = await world.inspector.post("/v1/sync", content=body)
    await world.inspector.get("/v1/factories?q=ความลับที่ค้นหา")
    await world.inspector.get("/v1/me/profile")
    await world.nobody.get("/v1/visits?cursor=zzz-secret-zzz")
    requests = [line for line in lines if line["message"] == "request"]
    assert [line["operation"] for line in requests] == [
        *("sync.push", "factory.list", "profile.read", "visit.list")
    ]
    assert requests[0]["request_id"] == answer.headers["x-request-id"]
    assert requests[0]["account"] == str(world.inspector.account)
    assert set(requests[0]) <= {
        *("at", "level", "logger", "message", "request_id"),
        *("operation", "method", "status", "ms", "account"),
    }
    ours = [line for line in lines if line["logger"].startswith("superapp")]
    text = json.dumps(ours, ensure_ascii=False)
    for secret in (name, "ความลับ", "secret", world.inspector.token, "สมชาย", "19999", str(visit)):
        assert secret not in text


async def test_the_request_id_of_one_request_never_colours_another(
    world: World, lines: list[dict[str, Any]]
) -> None:
    given = [f"request-{n:04d}" for n in range(20)]
    answers = await asyncio.gather(
        *(world.inspector.get("/v1/me", headers={"X-Request-Id": one}) for one in given)
    )
    ours = [answer.headers["x-request-id"] for answer in answers]
    logged = {
        line["client_request_id"]: line["request_id"]
        for line in lines
        if line["message"] == "request"
    }
    assert len(set(ours)) == 20
    assert logged == dict(zip(given, ours, strict=True))
    assert logs.request_id.get() == ""


# --- what leaves --------------------------------------------------------------------------------


async def test_answers_are_packed_where_it_pays_and_where_it_is_understood(world: World) -> None:
    long, short = "/v1/checklists/1", "/health"
    packed = await world.inspector.get(long, headers={"Accept-Encoding": "gzip"})
    plain = await world.inspector.get(long, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    small = await world.inspector.get(short, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers


async def test_every_answer_forbids_sniffing_framing_and_keeping(world: World) -> None:
    for answer in (
        await world.inspector.get("/v1/me"),
        await world.nobody.get("/v1/nothing"),
        await world.nobody.get("/"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "no-store" in answer.headers["cache-control"]


async def test_no_answer_leaves_a_transaction_behind(world: World, db: Database) -> None:
    await asyncio.gather(
        *(world.inspector.get(path) for path in ("/v1/me", "/v1/visits", "/v1/sync") * 10),
        *(push(world.inspector, b"{", JSON) for _ in range(10)),
    )
    async with db.read() as tx:
        open_ = await tx.value(
            """
            select count(*) from pg_stat_activity
            where datname = current_database() and state like 'idle in transaction%'
            """
        )
    assert open_ == 0


def test_a_problem_without_a_fact_still_reads_as_a_sentence() -> None:
    assert Counted().sentence("en") == "Counted (–)"
    assert issubclass(Counted, Problem)


@pytest.mark.parametrize(
    "query",
    [
        *("category=abc", "category=null&category=null", "category=1234567", "province=x"),
        *("licence_class=0", "licence_class=4", "status=none", f"q={'x' * 201}"),
        *("radius_m=-5", "radius_m=0", "radius_m=nan", "near=13,100&radius_m=1e9", "limit=0"),
    ],
)
async def test_every_limit_of_a_parameter_holds(world: World, query: str) -> None:
    answer = await world.inspector.get(f"/v1/factories?{query}")
    is_problem(answer, 422, "ground/malformed")


async def test_a_reader_may_take_a_block_of_its_own(db: Database) -> None:
    async with db.read() as tx, tx.savepoint():
        await tx.run("set local statement_timeout = '3s'")
        assert await tx.value("show statement_timeout") == "3s"
    async with db.read() as tx:
        assert await tx.value("show statement_timeout") != "3s"


async def test_a_name_is_found_by_parts_of_it(world: World) -> None:
    for query in ("โลหะ", "ตัวอย่าง", "0" * 168, "a%_b", "ไม่มีชื่อนี้"):
        answer = await world.inspector.get("/v1/factories", params={"q": query})
        assert answer.status_code == 200, (query, answer.text)


@pytest.mark.parametrize("after_the_end", [True, False])
async def test_an_endless_gzip_body_is_not_read_to_its_end(after_the_end: bool) -> None:
    """Neither what follows the end of the data, nor blocks that unpack to nothing."""
    sent = 0

    async def receive() -> Any:
        nonlocal sent
        sent += 1
        if sent > 1000:
            raise AssertionError("still reading")
        if sent == 1:
            packer = zlib.compressobj(wbits=31)
            start = packer.compress(b"[]")
            body = start + packer.flush(zlib.Z_FINISH if after_the_end else zlib.Z_FULL_FLUSH)
        else:
            body = b"\0\0\0\xff\xff" * 2000  # empty stored blocks (RFC 1951 §3.2.4)
        return {"type": "http.request", "body": body, "more_body": True}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    async def send(message: Any) -> None:
        raise AssertionError("nothing was answered")

    scope: Any = {"type": "http", "headers": [(b"content-encoding", b"gzip")], "method": "POST"}
    with pytest.raises(Problem) as raised:
        await Envelope(app, limit=1 << 20)(scope, receive, send)
    assert raised.value.code == ("ground/malformed" if after_the_end else "ground/too-large")
    assert sent < 200
