"""The challenge: asked of who does not sign in, verified by a real service, never in the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import httpx
import msgspec
import pytest

from api import ids, settings
from tests.complaints.conftest import secret, tell, told
from tests.world import World, encode


class Service(BaseHTTPRequestHandler):
    """A `siteverify` of the test's own: `good` passes, once each."""

    asked: list[dict[str, list[str]]] = []  # noqa: RUF012 - of one test at a time
    answer = b""

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        good = form["response"] == ["good"] and form not in self.asked
        self.asked.append(form)
        body = self.answer or json.dumps({"success": good}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def service(conf: settings.Settings) -> Iterator[type[Service]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Service.asked, Service.answer = [], b""
    url = f"http://127.0.0.1:{server.server_port}/siteverify"
    settings.use(msgspec.structs.replace(conf, challenge_url=url, challenge_secret="sample"))
    yield Service
    settings.use(conf)
    server.shutdown()
    server.server_close()


async def send(world: World, response: str = "") -> httpx.Response:
    return await world.nobody.put(
        f"/v1/complaints/{ids.new()}",
        content=encode(told()),
        headers={"Challenge-Response": response} if response else {},
    )


async def test_who_does_not_sign_in_is_asked_and_an_answer_counts_once(
    world: World, service: type[Service]
) -> None:
    for response in ("", "bad", "x" * 9000):
        refused = await send(world, response)
        assert (refused.status_code, refused.json()["code"]) == (403, "ground/challenge-needed")
    assert (await send(world, "good")).status_code == 200
    assert (await send(world, "good")).status_code == 403
    assert service.asked[0] == {"secret": ["sample"], "response": ["bad"]}


async def test_who_says_me_too_without_signing_in_is_asked_as_well(
    world: World, service: type[Service]
) -> None:
    refused = await world.nobody.put(
        f"/v1/complaints/{ids.new()}/me-toos/{ids.new()}", content=encode({"secret": secret()})
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "ground/challenge-needed")


async def test_who_signs_in_or_sits_at_a_desk_is_not_asked(
    world: World, service: type[Service]
) -> None:
    assert (await tell(world["citizen"])).status_code == 200
    assert (await tell(world["provincial-officer"], channel="desk")).status_code == 200
    assert service.asked == []


@pytest.mark.parametrize("answer", [b"<html>down</html>", b"[]", b'{"error": 1}'])
async def test_a_service_that_is_out_of_order_loses_no_complaint(
    world: World, service: type[Service], answer: bytes
) -> None:
    service.answer = answer
    assert (await send(world, "good")).status_code == 200


async def test_a_service_that_is_away_loses_no_complaint(
    world: World, conf: settings.Settings
) -> None:
    settings.use(msgspec.structs.replace(conf, challenge_url="http://127.0.0.1:9/siteverify"))
    try:
        assert (await send(world, "good")).status_code == 200
    finally:
        settings.use(conf)
