"""A PC that enrols: what it believes, and what it leaves behind when nothing comes of it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import certifi
import httpx
import msgspec
import pytest

from reader_bridge import enrolment, messages
from reader_bridge.chain.journal import FILE, Journal
from reader_bridge.device import folder, keys
from reader_bridge.device.alone import alone
from reader_bridge.device.folder import Unusable
from reader_bridge.enrolment import Refused
from reader_bridge.messages import Enrolment, Kind, Signed
from reader_bridge.server_keys import enrolment_fingerprint
from tests.bridge.papers import KEYS, PIN, journal, shown, statement

SERVER = "https://superapp.example"
GRANTED = {"device": str(UUID(int=5)), "audience": SERVER, "office": "สำนักงานตัวอย่าง", "name": "พีซี"}


class Desk:
    """What the server says to each of its two questions."""

    def __init__(self) -> None:
        self.keys = shown(audience=SERVER)
        self.code = "ABCD-EFGH"
        self.fingerprint: Callable[[bytes], str] = self.true
        self.first: httpx.Response | None = None
        self.answers: list[httpx.Response] = [
            httpx.Response(400, json={"error": "authorization_pending"}),
            httpx.Response(200, content=msgspec.json.encode(GRANTED | {"keys": self.keys})),
        ]
        self.asked = 0

    def true(self, key: bytes) -> str:
        return enrolment_fingerprint(key, KEYS.identity, self.code)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/identity"):
            return httpx.Response(200, content=msgspec.json.encode(self.keys))
        if request.url.path.endswith("/token"):
            self.asked += 1
            return self.answers.pop(0)
        if self.first is not None:
            return self.first
        signed = msgspec.json.decode(request.content, type=Signed)
        key = msgspec.json.decode(signed.body, type=Enrolment).public_key
        public = messages.Ed25519PublicKey.from_public_bytes(key)
        messages.opened(public, Kind.enrolment, signed, Enrolment)
        begun = {
            "device_code": "d",
            "user_code": self.code,
            "fingerprint": self.fingerprint(key),
            "verification_uri": f"{SERVER}/bridges",
            "expires_in": 600,
            "interval": 1,
        }
        return httpx.Response(200, json=begun)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    found, real = Desk(), httpx.Client

    def client(**entry: Any) -> httpx.Client:
        return real(base_url=entry["base_url"], transport=httpx.MockTransport(found))

    monkeypatch.setattr(enrolment.httpx, "Client", client)
    return found


def enrol(where: Path, server: str = SERVER, **other: Any) -> folder.Configuration:
    return enrolment.enrol(
        where,
        server,
        name="พีซีตัวอย่าง",
        software="test",
        show=lambda begun: None,
        in_file=True,
        pause=lambda seconds: None,
        **other,
    )


def test_once_approved_it_has_a_key_a_journal_and_a_configuration(
    tmp_path: Path, desk: Desk
) -> None:
    found = enrol(tmp_path)
    assert folder.load(tmp_path) == found and found.device == UUID(int=5)
    kept = Journal(tmp_path, keys.load(tmp_path))
    assert kept.pin() == PIN and kept.end()[0] == 0
    kept.close()
    assert {path.name for path in tmp_path.iterdir()} == {
        "bridge.toml",
        "device.key",
        FILE,
        "running.lock",
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


def test_a_server_that_answers_for_another_key_is_not_believed(tmp_path: Path, desk: Desk) -> None:
    desk.fingerprint = lambda key: messages.fingerprint(bytes(32))
    with pytest.raises(Refused):
        enrol(tmp_path)
    assert desk.asked == 0


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"error": "access_denied", "title": "ไม่อนุมัติ"}),
        httpx.Response(200, content=b"<html>sign in first</html>"),
        httpx.Response(400, json=["sign in first"]),
    ],
)
def test_refused_it_keeps_what_it_was_before_and_nothing_of_the_try(
    tmp_path: Path, desk: Desk, answer: httpx.Response
) -> None:
    device, kept = journal(tmp_path)
    sequence, stated = kept.state(statement(device))
    kept.settle(sequence, stated.signed.sha256)
    kept.close()
    desk.answers = [answer]
    with pytest.raises(Refused):
        enrol(tmp_path)
    assert keys.load(tmp_path).public == device.public
    again = Journal(tmp_path, device)
    assert again.end()[0] == 1
    again.close()
    with pytest.raises(keys.NoKey):
        keys.load(tmp_path, "enrolling")


def test_enrolling_anew_throws_away_no_reading_that_the_server_does_not_have(
    tmp_path: Path, desk: Desk
) -> None:
    device, kept = journal(tmp_path)
    kept.state(statement(device))
    kept.close()
    with pytest.raises(Unusable, match="forget"):
        enrol(tmp_path)
    assert desk.asked == 0
    again = Journal(tmp_path, device)
    assert again.count() == 1
    again.close()


def test_a_pc_whose_journal_is_damaged_can_be_enrolled_anew(tmp_path: Path, desk: Desk) -> None:
    journal(tmp_path)[1].close()
    (tmp_path / FILE).write_bytes(b"torn")
    enrol(tmp_path)


def test_enrolled_anew_nothing_of_the_device_before_is_left(tmp_path: Path, desk: Desk) -> None:
    device, kept = journal(tmp_path)
    sequence, stated = kept.state(statement(device))
    kept.settle(sequence, stated.signed.sha256)
    kept.close()
    keys.make(tmp_path, "next", in_file=True)
    enrol(tmp_path)
    assert keys.load(tmp_path).public != device.public
    with pytest.raises(keys.NoKey):
        keys.load(tmp_path, "next")
    again = Journal(tmp_path, keys.load(tmp_path))
    assert again.end()[0] == again.count() == 0
    again.close()


def test_a_sign_in_page_in_between_is_told_as_one(tmp_path: Path, desk: Desk) -> None:
    desk.first = httpx.Response(200, content=b"<html>sign in first</html>")
    with pytest.raises(Refused):
        enrol(tmp_path)


@pytest.mark.parametrize(
    "server",
    ["http://superapp.example", "superapp.example", "ftp://x", "https://x/v1", "https://u:p@x", ""],
)
def test_only_a_plain_https_address_is_enrolled_at(tmp_path: Path, desk: Desk, server: str) -> None:
    with pytest.raises(Unusable):
        enrol(tmp_path, server)
    assert desk.asked == 0


def test_nobody_enrols_under_a_running_service(tmp_path: Path, desk: Desk) -> None:
    with alone(tmp_path), pytest.raises(Unusable):
        enrol(tmp_path)


def test_a_certificate_file_that_is_not_there_is_named(tmp_path: Path, desk: Desk) -> None:
    with pytest.raises(Unusable, match=r"nowhere\.pem"):
        enrol(tmp_path, ca_file="/nowhere.pem")


def test_a_certificate_file_is_found_wherever_the_service_is_started(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ministry.pem").write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.chdir(tmp_path)
    enrol(tmp_path / "bridge", ca_file="ministry.pem")
    monkeypatch.chdir("/")
    ssl.create_default_context(cafile=folder.load(tmp_path / "bridge").ca_file)


@pytest.mark.parametrize(
    "proxy",
    [
        "proxy.example:8080",
        "u:hunter2@proxy.example:1",
        "socks5://u:hunter2@x:1",
        "http://u:hunter2@",
    ],
)
def test_a_proxy_that_is_none_is_told_without_its_password(
    tmp_path: Path, desk: Desk, proxy: str
) -> None:
    with pytest.raises(Unusable, match="http://") as refused:
        enrol(tmp_path, proxy=proxy)
    assert "hunter2" not in str(refused.value) and desk.asked == 0
    enrol(tmp_path, proxy="http://u:hunter2@proxy.example:8080")
    by_hand = (tmp_path / folder.CONFIGURATION).read_text(encoding="utf-8")
    good = "http://u:hunter2@proxy.example:8080"
    (tmp_path / folder.CONFIGURATION).write_text(by_hand.replace(good, proxy), encoding="utf-8")
    with pytest.raises(Unusable) as refused:
        folder.load(tmp_path)
    assert "hunter2" not in str(refused.value)
