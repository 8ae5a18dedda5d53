"""What this server shows of itself to desk PCs, over rotations, restores and several processes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from api import clock, keys
from api.cli import main
from api.keys import Keyring, KeyringError, Purpose
from api.readers.bridges import identity
from reader_bridge.messages import Kind, ServerKeys, Signed, fingerprint, signature
from reader_bridge.server_keys import Foreign, Pin, followed, pinned
from tests.readers.bridge import AUDIENCE, FakeBridge
from tests.world import World, encode


@pytest.fixture
def ring(keyring: Keyring, tmp_path: Path) -> Iterator[Keyring]:
    """A copy of the keyring in use, which a test may rotate."""
    path = tmp_path / "keyring.json"
    shutil.copy2(keyring.path, path)
    yield keys.use(Keyring.open(path))
    keys.use(keyring)


def pin() -> Pin:
    found = identity.shown()
    return pinned(found.identity, found, AUDIENCE)


async def test_anybody_is_shown_the_same_and_it_is_signed_once_and_not_for_each_who_asks(
    world: World,
) -> None:
    answer = await world.nobody.get("/v1/bridge/identity")
    assert msgspec.json.decode(answer.content, type=ServerKeys) == identity.shown()
    assert identity.shown() is identity.shown()
    kid, public = keys.ring().sealing()
    assert (pin().key.kid, pin().key.public) == (kid, public.public_bytes_raw())


def test_every_process_with_this_keyring_is_the_same_server(ring: Keyring) -> None:
    here = identity.shown()
    keys.use(Keyring.open(ring.path))
    identity._shown.cache_clear()
    assert identity.shown() == here


def test_pcs_follow_each_rotation_however_long_they_were_away(ring: Keyring) -> None:
    away = pin()
    for purpose in (Purpose.reading, Purpose.identity, Purpose.identity, Purpose.reading):
        before = pin()
        ring.rotate(purpose)
        after = followed(before, identity.shown(), AUDIENCE)
        assert after != before and after == followed(away, identity.shown(), AUDIENCE)
    assert after.key.kid == ring.active(Purpose.reading).kid


def test_a_key_made_after_the_clock_was_put_back_is_still_the_later_one(ring: Keyring) -> None:
    before = pin()
    with clock.travel(timedelta(days=-400)):
        ring.rotate(Purpose.reading)
    assert followed(before, identity.shown(), AUDIENCE).since > before.since


def test_a_keyring_of_before_is_noticed_and_mended_by_rotating_what_was_lost(
    ring: Keyring, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.json"
    shutil.copy2(ring.path, backup)
    ring.rotate(Purpose.reading)
    known = pin()
    restored = keys.use(Keyring.open(backup))
    with pytest.raises(Foreign, match="older key"):
        followed(known, identity.shown(), AUDIENCE)
    restored.rotate(Purpose.reading)
    assert followed(known, identity.shown(), AUDIENCE).identity == known.identity
    # An identity is not made anew: those that have followed it do not go back.
    keys.use(ring).rotate(Purpose.identity)
    known = pin()
    keys.use(restored)
    with pytest.raises(Foreign, match="not the server"):
        followed(known, identity.shown(), AUDIENCE)


def test_a_lost_keyring_is_another_server(ring: Keyring, tmp_path: Path) -> None:
    known = pin()
    keys.use(Keyring.open(tmp_path / "new.json"))
    with pytest.raises(Foreign, match="not the server"):
        followed(known, identity.shown(), AUDIENCE)


def test_a_keyring_of_before_identities_gets_one_and_keeps_it(ring: Keyring) -> None:
    held = json.loads(ring.path.read_text())
    held["keys"] = [key for key in held["keys"] if key["purpose"] != "identity"]
    ring.path.write_text(json.dumps(held))
    made = keys.use(Keyring.open(ring.path)).active(Purpose.identity)
    assert Keyring.open(ring.path).active(Purpose.identity) == made
    assert pin().identity == made.public().public_bytes_raw()


def test_an_identity_is_never_forgotten_and_is_not_among_the_keys_of_documents(
    ring: Keyring,
) -> None:
    old = ring.active(Purpose.identity)
    ring.rotate(Purpose.identity)
    with pytest.raises(KeyringError):
        ring.retire(old.kid)
    assert not [key for key in ring.public().keys if key.kid.startswith("identity")]


def test_the_keyrings_list_shows_the_fingerprint_that_pcs_show_and_identities_can_be_rotated(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERAPP_KEYRING", str(ring.path))
    for purpose in ("reading", "identity"):
        done = CliRunner().invoke(main, ["keys", "rotate", purpose])
        assert done.exit_code == 0, done.output
    listed = CliRunner().invoke(main, ["keys", "list"]).output
    shown = [key for key in Keyring.open(ring.path).list() if key.purpose is Purpose.identity]
    assert len(shown) == 2
    assert all(fingerprint(key.public().public_bytes_raw()) in listed for key in shown)


async def test_who_was_shown_another_identity_or_one_of_before_is_not_enrolled(
    ring: Keyring, world: World
) -> None:
    old = identity.shown().identity
    ring.rotate(Purpose.identity)
    for server in (old, bytes(32)):
        refused = await FakeBridge(world).ask(server=server)
        assert (refused.status_code, refused.json()["code"]) == (422, "readers/enrolment-wrong")
        assert refused.json()["reason"] == "server"
    bridge = FakeBridge(world)
    said = msgspec.to_builtins(bridge.enrolment())
    del said["server"]  # a program of before
    body = encode(said)
    refused = await bridge.send(Signed(body, signature(bridge.key, Kind.enrolment, body)))
    assert refused.json()["reason"] == "server"
    assert (await FakeBridge(world).ask()).status_code == 200
