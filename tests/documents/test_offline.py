"""`superapp verify FILE`: with public keys alone, on a machine that has nothing else of ours."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from api import keys
from api.cli import main
from api.documents import rendering, seals
from api.keys import Keyring, Purpose
from tests.documents import samples


@pytest.fixture(autouse=True)
def nothing_else_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SUPERAPP_KEYRING", str(tmp_path / "none" / "keyring.json"))
    monkeypatch.setenv("SUPERAPP_DATABASE_URL", "postgresql://nowhere.invalid/none")


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return keys.Keyring.open(tmp_path / "office.json")


@pytest.fixture
def public(tmp_path: Path, ring: Keyring) -> Path:
    path = tmp_path / "public.json"
    path.write_bytes(msgspec.json.encode(ring.public()))
    return path


@pytest.fixture
def file(tmp_path: Path, ring: Keyring) -> Path:
    path = tmp_path / "order.pdf"
    path.write_bytes(sealed(ring))
    return path


def sealed(ring: Keyring) -> bytes:
    kid, private = ring.signer(Purpose.document)
    canonical = samples.canonical("order", samples.WHOLE["order"])
    return rendering.pdf(
        canonical, seals.sign(kid, private, canonical, seals.CONTENT), {}, kid, private
    )


def verify(file: Path, *more: object) -> Result:
    return CliRunner().invoke(main, ["verify", str(file), *map(str, more)])


def test_an_unchanged_file_is_told_with_what_it_is(file: Path, public: Path) -> None:
    said = verify(file, "--keys", public)
    assert said.exit_code == 0, said.output
    assert "unchanged" in said.output and "อก 1/2569" in said.output
    assert "https://superapp.example.invalid/verify/" in said.output
    assert "นางตัวอย่าง" not in said.output


def test_one_changed_byte_is_told(file: Path, public: Path) -> None:
    pdf = bytearray(file.read_bytes())
    pdf[len(pdf) // 3] ^= 1
    file.write_bytes(pdf)
    said = verify(file, "--keys", public)
    assert said.exit_code == 1 and "changed after it was signed" in said.output
    assert "อก 1/2569" not in said.output


def test_a_file_signed_before_a_rotation_verifies_with_the_keys_of_today(
    file: Path, ring: Keyring, public: Path
) -> None:
    ring.rotate(Purpose.document)
    public.write_bytes(msgspec.json.encode(ring.public()))
    assert verify(file, "--keys", public).exit_code == 0
    file.write_bytes(sealed(ring))
    assert verify(file, "--keys", public).exit_code == 0


def test_a_file_signed_by_another_installation_is_not_ours(
    file: Path, public: Path, tmp_path: Path
) -> None:
    file.write_bytes(sealed(Keyring.open(tmp_path / "other.json")))
    said = verify(file, "--keys", public)
    assert said.exit_code == 1 and "no public key" in said.output


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7\n", b"\0" * 1000, "ไม่ใช่".encode()])
def test_what_we_never_signed_is_told(file: Path, public: Path, content: bytes) -> None:
    file.write_bytes(content)
    said = verify(file, "--keys", public)
    assert said.exit_code == 1 and "not a document" in said.output


def test_without_any_keys_it_asks_for_them_and_makes_none(file: Path, tmp_path: Path) -> None:
    said = verify(file)
    assert said.exit_code == 1 and "--keys" in said.output
    assert not (tmp_path / "none").exists()


def test_an_installations_own_keys_need_not_be_named(
    file: Path, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERAPP_KEYRING", str(ring.path))
    assert verify(file).exit_code == 0
    told = CliRunner().invoke(main, ["keys", "public"])
    assert {k["kid"] for k in json.loads(told.output)["keys"]} == {
        key.kid for key in ring.list() if key.purpose in keys.PUBLISHED
    }
    assert not any(key.secret in told.output for key in ring.list())


def test_a_keyring_of_an_earlier_release_gets_its_first_key_for_documents(ring: Keyring) -> None:
    held = json.loads(ring.path.read_text())
    held["keys"] = [k for k in held["keys"] if k["purpose"] != "document"]
    ring.path.write_text(json.dumps(held))
    grown = Keyring.open(ring.path)
    assert {k.purpose for k in grown.list()} == set(Purpose)
    assert {k["kid"] for k in held["keys"]} < {k.kid for k in grown.list()}
    assert Keyring.open(ring.path).list() == grown.list()
    assert ring.path.stat().st_mode & 0o777 == 0o600
