"""The doctor names what is wrong, and what to do."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reader_bridge.cli import main
from reader_bridge.device import folder
from reader_bridge.device.alone import alone
from reader_bridge.doctor import examination as doctor
from reader_bridge.doctor import network as doctor_network
from reader_bridge.doctor import readers as doctor_readers
from reader_bridge.doctor.finding import Finding
from reader_bridge.fields import Fault
from reader_bridge.messages import Challenge, encode, fingerprint
from reader_bridge.pcsc import winscard as pcsc
from reader_bridge.pcsc.ports import CardFault, Identity
from reader_bridge.server_keys import Pin
from tests.bridge.lines import pc
from tests.bridge.papers import AUDIENCE, KEYS, PIN, journal, shown
from tests.bridge.scripted import ScriptedReaders
from tests.pcsc.people import person
from tests.pcsc.virtual_card import VirtualCard

READER = "Sample Reader A 00 00"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def of(found: list[Finding], name: str) -> Finding:
    return next(one for one in found if one.english == name)


def looks(port: ScriptedReaders, usb: Path = Path("/nowhere")) -> list[Finding]:
    return list(doctor_readers.at_the_readers(port, usb))


def bad(found: list[Finding]) -> list[str]:
    return [one.english for one in found if one.state != "good"]


def test_a_service_of_readers_that_does_not_run_is_named() -> None:
    port = ScriptedReaders(READER)
    port.service(False)
    assert bad(looks(port)) == ["PC/SC service"]


def test_a_user_whom_polkit_keeps_out_is_told_of_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ScriptedReaders(READER)

    def refused() -> Any:
        raise CardFault(Fault.failed, "SCardEstablishContext 0x8010006a")

    monkeypatch.setattr(port, "open", refused)
    (found,) = looks(port)
    assert found.english == "PC/SC rights" and "polkit" in found.do


def test_no_reader_is_named_and_one_without_a_driver_apart(tmp_path: Path) -> None:
    assert bad(looks(ScriptedReaders())) == ["reader"]
    (tmp_path / "1-1:1.0").mkdir()
    (tmp_path / "1-1:1.0" / "bInterfaceClass").write_text("0b\n")
    assert bad(looks(ScriptedReaders(), tmp_path)) == ["driver"]


def test_a_reader_that_is_well_needs_nothing() -> None:
    port = ScriptedReaders(READER)
    assert bad(looks(port)) == []
    port.insert(READER, VirtualCard(person(1)))
    assert bad(looks(port)) == []


def test_a_reader_that_another_program_holds_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_readers, "WITHIN_S", 0.1)
    port = ScriptedReaders(READER)
    port.insert(READER, VirtualCard(person(1)))
    with port.connect(READER):
        found = looks(port)
    assert bad(found) == ["reader"] and "busy" not in found[-1].found and found[-1].do


@pytest.mark.parametrize("call", ["open", "identity", "connect"])
def test_whoever_hangs_is_named_and_the_doctor_does_not_hang_with_it(
    monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    port, free = ScriptedReaders(READER), threading.Event()
    real = getattr(port, call)
    monkeypatch.setattr(port, call, lambda *a: (free.wait(10), real(*a))[1])
    monkeypatch.setattr(doctor_readers, "WITHIN_S", 0.05)
    began = time.monotonic()
    try:
        found = looks(port)
    finally:
        free.set()
    assert time.monotonic() - began < 2
    (named,) = [one for one in found if one.state != "good"]
    assert named.english == ("PC/SC service" if call == "open" else "reader") and named.do
    assert call == "open" or named.found == READER


def test_two_readers_of_one_name_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.bridge import scripted

    monkeypatch.setattr(scripted._States, "readers", lambda states: [READER, READER])
    assert "one name" in of(looks(ScriptedReaders(READER))[2:], "reader").found


def test_several_readers_without_a_number_are_warned_of() -> None:
    port = ScriptedReaders(READER, "Sample Reader B 00 00")
    assert bad(looks(port)) == ["reader"]
    port.identities = {name: Identity(f"S-{name}", None) for name in port.slots}
    assert bad(looks(port)) == []


@pytest.mark.parametrize(
    ("year", "state"), [(2569, "wrong"), (2012, "wrong"), (2026, "good"), (2031, "good")]
)
def test_a_year_of_the_buddhist_era_is_known_without_asking_anybody(year: int, state: str) -> None:
    assert doctor.clock(NOW.replace(year=year)).state == state


@pytest.mark.parametrize(
    ("off", "state"),
    [
        (timedelta(seconds=30), "good"),
        (timedelta(hours=7), "warning"),
        (timedelta(days=-3), "warning"),
        (timedelta(days=543 * 365.25), "wrong"),
    ],
)
def test_a_clock_is_compared_with_the_servers(off: timedelta, state: str) -> None:
    assert doctor_network.drift(NOW, NOW + off).state == state


@contextmanager
def answering(body: bytes | dict[str, bytes], status: int = 200) -> Iterator[str]:
    """A server that says the same to everybody, or by the last part of the path."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Says(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = body[self.path.rsplit("/", 1)[-1]] if isinstance(body, dict) else body
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Says)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reaches(server: str, **other: str) -> list[Finding]:
    return list(doctor_network.network(folder.Configuration(server=server, **other)))


def test_a_server_that_answers_as_ours_is_reached() -> None:
    said = Challenge(bytes(32), "https://superapp.example", datetime.now(UTC))
    with answering(encode(said)) as server:
        assert bad(reaches(server)) == []
    late = Challenge(bytes(32), "https://superapp.example", datetime.now(UTC) - timedelta(days=2))
    with answering(encode(late)) as server:
        assert bad(reaches(server)) == ["clock"]


@contextmanager
def saying(**said: Any) -> Iterator[str]:
    """A server that says this below /v1/bridge."""
    challenge = Challenge(bytes(32), AUDIENCE, datetime.now(UTC))
    with answering({"challenge": encode(challenge), **said}) as server:
        yield server


def known_by(server: str, pin: Pin) -> Finding:
    found = doctor_network.network(folder.Configuration(server=server, audience=AUDIENCE), pin)
    return of(list(found), "server's key")


def test_the_servers_key_is_looked_at_and_a_stranger_is_named_with_what_to_do() -> None:
    with saying(identity=encode(KEYS)) as server:
        found = known_by(server, PIN)
        assert (found.state, found.found) == ("good", PIN.fingerprint)
    stranger = shown(Ed25519PrivateKey.generate())
    with saying(identity=encode(stranger)) as server:
        found = known_by(server, PIN)
        assert found.state == "wrong" and "superapp keys list" in found.do
        for identity in (PIN.identity, stranger.identity):
            assert fingerprint(identity) in found.found
    with saying(identity=b"<html>") as server:
        assert known_by(server, PIN).state == "wrong"


async def test_a_pc_enrolled_before_servers_were_known_by_a_key_is_told_to_enrol_anew(
    tmp_path: Path,
) -> None:
    async with pc(tmp_path) as at:
        told = CliRunner().invoke(main, ["--folder", str(tmp_path), "status"]).output
        assert PIN.fingerprint in told
        at.journal._store.run("delete from state where name = 'pin'")
        found = of(await diagnosed(tmp_path), "server's key")
        assert found.state == "wrong" and "reader-bridge enrol" in found.do
        told = CliRunner().invoke(main, ["--folder", str(tmp_path), "status"]).output
        assert "reader-bridge enrol" in told and PIN.fingerprint not in told


@pytest.mark.parametrize(("body", "status"), [(b"<html>sign in</html>", 200), (b"", 503)])
def test_a_sign_in_page_or_an_ill_server_is_not_taken_for_ours(body: bytes, status: int) -> None:
    with answering(body, status) as server:
        assert bad(reaches(server)) == ["server"]


def test_a_name_that_is_not_known_and_a_server_out_of_reach_are_told_apart() -> None:
    assert bad(reaches("https://nowhere.invalid")) == ["name resolution"]
    assert bad(reaches("http://127.0.0.1:1")) == ["server"]
    assert bad(reaches("https://127.0.0.1:1", ca_file="/nowhere.pem")) == ["TLS"]


def test_a_proxys_password_is_not_told() -> None:
    found = reaches("http://127.0.0.1:1", proxy="http://user:geheim@127.0.0.1:1")
    assert "geheim" not in "".join(one.text() for one in found)


def test_a_pc_that_is_not_enrolled_is_told_to(tmp_path: Path) -> None:
    found = list(doctor.diagnose(tmp_path, "test", ScriptedReaders(READER)))
    assert bad(found) == ["enrolment"]


async def diagnosed(where: Path) -> list[Finding]:
    """Aside, for the server that is asked runs on this loop."""

    def all_of_it() -> list[Finding]:
        return list(doctor.diagnose(where, "test", ScriptedReaders(READER)))

    return await asyncio.to_thread(all_of_it)


async def test_a_frozen_device_a_stopped_service_and_one_without_a_line_are_told_apart(
    tmp_path: Path,
) -> None:
    async with pc(tmp_path) as at:
        assert "does not run" in of(await diagnosed(tmp_path), "service").found
        with alone(tmp_path):
            at.journal.note("error", "TimeoutError: x")
            assert "TimeoutError" in of(await diagnosed(tmp_path), "service").found
            at.journal.note("connected", "now WebSocket")
            assert of(await diagnosed(tmp_path), "service").state == "good"
        at.journal.note("ended", "this device is frozen")
        assert "frozen" in of(await diagnosed(tmp_path), "service").found


async def test_a_damaged_journal_and_an_open_key_are_named(tmp_path: Path) -> None:
    async with pc(tmp_path):
        os.truncate(tmp_path / "journal.sqlite", 100)
        assert of(await diagnosed(tmp_path), "key and journal").state == "wrong"
        (tmp_path / "device.key").chmod(0o644)
        assert "open to others" in of(await diagnosed(tmp_path), "key and journal").found


def test_every_finding_that_is_wrong_says_what_to_do_and_the_exit_code_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> Any:
        raise pcsc.NoPyscard("pyscard is not installed")

    monkeypatch.setattr(doctor, "Pcsc", none)
    done = CliRunner().invoke(main, ["--folder", str(tmp_path), "doctor"])
    lines = done.output.splitlines()
    assert done.exit_code == 1
    for number, line in enumerate(lines):
        assert not line.startswith("✗") or lines[number + 1].startswith("    → ")
    assert "pyscard" in done.output


def test_forget_leaves_nothing_of_the_device(tmp_path: Path) -> None:
    _, kept = journal(tmp_path)
    kept.close()
    folder.save(tmp_path, folder.Configuration(server="https://superapp.example"))
    with alone(tmp_path):
        done = CliRunner().invoke(main, ["--folder", str(tmp_path), "forget", "--yes"])
        assert done.exit_code == 1 and (tmp_path / "device.key").exists()
    done = CliRunner().invoke(main, ["--folder", str(tmp_path), "forget", "--yes"])
    assert done.exit_code == 0, done.output
    assert list(tmp_path.iterdir()) == []


def test_status_does_not_call_a_killed_program_connected(tmp_path: Path) -> None:
    _, kept = journal(tmp_path)
    kept.note("connected", "2026-11-22 WebSocket")
    kept.close()
    folder.save(tmp_path, folder.Configuration(server="https://superapp.example"))
    done = CliRunner().invoke(main, ["--folder", str(tmp_path), "status"])
    assert done.exit_code == 1
    with alone(tmp_path):
        done = CliRunner().invoke(main, ["--folder", str(tmp_path), "status"])
    assert done.exit_code == 0


def test_a_damaged_journal_ends_the_service_for_good(tmp_path: Path) -> None:
    _, kept = journal(tmp_path)
    kept.close()
    (tmp_path / "journal.sqlite").unlink()
    folder.save(
        tmp_path,
        folder.Configuration(
            server="https://superapp.example",
            device="01a20000-0000-7000-8000-000000000001",  # type: ignore[arg-type]
        ),
    )
    done = CliRunner().invoke(main, ["--folder", str(tmp_path), "rotate-key"])
    assert done.exit_code == 78
