"""The keyring and what it seals."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import ids, keys, sealed
from api.db import Tx
from api.keys import Keyring, KeyringError, Purpose, State
from api.sealed import Cell, Erased, Sealed


@pytest.fixture
def ring(keyring: Keyring, tmp_path: Path) -> Iterator[Keyring]:
    """A copy of the keyring in use, which a test may rotate and retire."""
    path = tmp_path / "keyring.json"
    shutil.copy2(keyring.path, path)
    sealed.forget()
    yield keys.use(Keyring.open(path))
    keys.use(keyring)
    sealed.forget()


async def sealed_value(tx: Tx, text: str = "1999900000137") -> Sealed:
    key, cell = await sealed.new_key(tx), Cell("person", "cid", ids.new())
    return Sealed(cell, await sealed.seal(tx, key, cell, text))


async def test_what_was_sealed_opens_and_the_opening_is_an_event(tx: Tx, ring: Keyring) -> None:
    value = await sealed_value(tx)
    assert await sealed.unseal(tx, value, purpose="test") == "1999900000137"
    facts = await tx.value(
        "select facts::text from event where name = 'person.unsealed' and record = $1",
        value.cell.row,
    )
    assert facts == '{"columns": ["cid"], "purpose": "test"}'


async def test_the_same_value_is_sealed_differently_each_time(tx: Tx, ring: Keyring) -> None:
    key, cell = await sealed.new_key(tx), Cell("person", "cid", ids.new())
    one, other = [await sealed.seal(tx, key, cell, "x") for _ in range(2)]
    assert one != other


@pytest.mark.parametrize(
    "moved",
    [
        lambda c: Cell("visit", c.column, c.row),
        lambda c: Cell(c.table, "name_th", c.row),
        lambda c: Cell(c.table, c.column, ids.new()),
    ],
)
async def test_a_value_moved_to_another_place_does_not_open(
    tx: Tx, ring: Keyring, moved: object
) -> None:
    value = await sealed_value(tx)
    elsewhere = Sealed(moved(value.cell), value.blob)  # type: ignore[operator]
    with pytest.raises(ValueError, match="does not open"):
        await sealed.unseal(tx, elsewhere, purpose="test")


async def test_a_changed_byte_anywhere_is_noticed(tx: Tx, ring: Keyring) -> None:
    value = await sealed_value(tx)
    for place in (0, 5, 20, 30, len(value.blob) - 1):
        blob = bytearray(value.blob)
        blob[place] ^= 1
        with pytest.raises((ValueError, Erased)):
            await sealed.unseal(tx, Sealed(value.cell, bytes(blob)), purpose="test")


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01" * 40, b"\x02" + b"x" * 60])
async def test_what_is_no_sealed_value_is_refused(tx: Tx, ring: Keyring, blob: bytes) -> None:
    with pytest.raises((ValueError, Erased)):
        await sealed.unseal(tx, Sealed(Cell("person", "cid", ids.new()), blob), purpose="test")


async def test_destroying_the_key_erases_what_it_sealed(tx: Tx, ring: Keyring) -> None:
    value = await sealed_value(tx)
    key = sealed._key_of(value.blob)
    await sealed.destroy_key(tx, key, reason="test")
    with pytest.raises(Erased):
        await sealed.unseal(tx, value, purpose="test")
    assert await tx.value("select wrapped from data_key where id = $1", key) is None
    with pytest.raises(Erased):
        await sealed.seal(tx, key, value.cell, "again")


async def test_a_rotated_wrap_key_still_opens_and_may_be_retired_after_rewrapping(
    tx: Tx, ring: Keyring
) -> None:
    value = await sealed_value(tx)
    old = ring.active(Purpose.wrap).kid
    ring.rotate(Purpose.wrap)
    sealed.forget()
    assert await sealed.unseal(tx, value, purpose="test") == "1999900000137"
    while await sealed.rewrap(tx):
        pass
    ring.retire(old)
    sealed.forget()
    assert await sealed.unseal(tx, value, purpose="test") == "1999900000137"


async def test_retiring_the_wrap_key_without_rewrapping_closes_old_dumps(
    tx: Tx, ring: Keyring
) -> None:
    value = await sealed_value(tx)
    old = ring.active(Purpose.wrap).kid
    ring.rotate(Purpose.wrap)
    ring.retire(old)
    sealed.forget()
    with pytest.raises(KeyringError):
        await sealed.unseal(tx, value, purpose="test")


async def test_bytes_are_sealed_as_they_are(tx: Tx, ring: Keyring) -> None:
    key, cell = await sealed.new_key(tx), Cell("push", "raw", ids.new())
    blob = await sealed.seal_bytes(tx, key, cell, b"\x00\xff")
    assert await sealed.unseal_bytes(tx, cell, blob) == b"\x00\xff"


def test_what_belongs_to_no_record_is_sealed_under_the_ring(ring: Keyring) -> None:
    cell = Cell("push", "raw", ids.new())
    blob = sealed.seal_under_ring(cell, b"\x00\xff")
    ring.rotate(Purpose.wrap)
    assert sealed.unseal_under_ring(cell, blob) == b"\x00\xff"
    with pytest.raises(ValueError, match="does not open"):
        sealed.unseal_under_ring(Cell("push", "raw", ids.new()), blob)


async def test_neither_repr_nor_error_shows_a_value(tx: Tx, ring: Keyring) -> None:
    value = await sealed_value(tx)
    assert repr(value) == "Sealed(person.cid)"
    with pytest.raises(ValueError, match="does not open") as caught:
        await sealed.unseal(tx, Sealed(Cell("a", "b", ids.new()), value.blob), purpose="test")
    assert "1999900000137" not in str(caught.value)


async def test_the_cache_of_data_keys_is_bounded(
    tx: Tx, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed, "_HELD", 4)
    for _ in range(9):
        await sealed.new_key(tx)
    assert len(sealed._held) == 4


def test_an_index_is_keyed_and_apart_for_each_purpose(ring: Keyring) -> None:
    assert sealed.index("cid", "1") == sealed.index("cid", "1")
    assert sealed.index("cid", "1") != sealed.index("email", "1")
    assert sealed.index("cid", "1")[4:] != sealed.index("ci", "d1")[4:]
    assert len(sealed.index("cid", "1")) == 36


def test_an_index_is_found_across_a_rotation(ring: Keyring) -> None:
    before = sealed.index("cid", "1")
    ring.rotate(Purpose.blind_index)
    assert sealed.index("cid", "1") != before
    assert before in sealed.indexes("cid", "1")


def test_indexes_come_newest_first_after_several_rotations(ring: Keyring) -> None:
    made = [sealed.index("cid", "1")]
    for _ in range(2):
        ring.rotate(Purpose.blind_index)
        made.append(sealed.index("cid", "1"))
    assert sealed.indexes("cid", "1") == made[::-1]


def test_the_keyring_is_made_private_and_holds_every_purpose(tmp_path: Path) -> None:
    ring = Keyring.open(tmp_path / "deep" / "keyring.json")
    assert ring.path.stat().st_mode & 0o777 == 0o600
    assert {k.purpose for k in ring.list()} == set(Purpose)
    assert Keyring.open(ring.path).active(Purpose.wrap) == ring.active(Purpose.wrap)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_keyring_open_to_others_stops_the_start(tmp_path: Path, mode: int) -> None:
    ring = Keyring.open(tmp_path / "keyring.json")
    ring.path.chmod(mode)
    with pytest.raises(KeyringError, match="chmod 600"):
        Keyring.open(ring.path)


@pytest.mark.parametrize("text", ["", "{}", '{"version":1,"keys":[]}', "not json"])
def test_a_broken_keyring_is_never_replaced_by_a_new_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keyring.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyringError):
        Keyring.open(path)
    assert path.read_text() == text


def test_no_secret_is_shown_by_a_key_or_an_error(ring: Keyring) -> None:
    key = ring.active(Purpose.wrap)
    assert key.secret not in repr(key)
    assert key.secret not in repr(ring.list())


def test_a_signature_holds_for_its_purpose_only(ring: Keyring) -> None:
    kid, signature = ring.sign(Purpose.receipt, b"held")
    assert ring.verify(Purpose.receipt, kid, b"held", signature)
    assert not ring.verify(Purpose.receipt, kid, b"other", signature)
    assert not ring.verify(Purpose.token, kid, b"held", signature)
    assert not ring.verify(Purpose.receipt, "unknown", b"held", signature)


def test_a_running_server_learns_of_a_key_that_another_process_made(ring: Keyring) -> None:
    elsewhere = Keyring.open(ring.path)
    kid, signature = elsewhere.sign(Purpose.receipt, b"x")
    assert ring.verify(Purpose.receipt, kid, b"x", signature)
    new = elsewhere.rotate(Purpose.receipt).kid
    kid, signature = elsewhere.sign(Purpose.receipt, b"x")
    assert kid == new
    assert ring.verify(Purpose.receipt, kid, b"x", signature)


def test_the_public_set_has_what_verifies_and_no_secret(ring: Keyring) -> None:
    before = {key.kid for key in ring.public().keys}
    new = ring.rotate(Purpose.receipt).kid
    public = ring.public().keys
    assert {key.kid for key in public} == before | {new}
    assert {kid.split("-")[0] for kid in before} == {"token", "receipt", "document"}
    secrets = {k.secret for k in ring.list()}
    assert not secrets & {k.x for k in public}


def test_a_key_of_receipts_is_never_forgotten(ring: Keyring) -> None:
    old, signature = ring.sign(Purpose.receipt, b"held")
    ring.rotate(Purpose.receipt)
    with pytest.raises(KeyringError, match="receipts"):
        ring.retire(old)
    assert ring.verify(Purpose.receipt, old, b"held", signature)
    assert old in {key.kid for key in ring.public().keys}


def test_an_active_key_cannot_be_retired(ring: Keyring) -> None:
    with pytest.raises(KeyringError):
        ring.retire(ring.active(Purpose.token).kid)
    old = ring.active(Purpose.token).kid
    ring.rotate(Purpose.token)
    ring.retire(old)
    assert next(k for k in ring.list() if k.kid == old).state is State.retired
    assert Keyring.open(ring.path).verifier(Purpose.token, old) is None


def _open(path: str) -> str:
    return Keyring.open(Path(path)).active(Purpose.wrap).kid


def test_eight_first_starts_at_once_make_one_keyring(tmp_path: Path) -> None:
    path = str(tmp_path / "keyring.json")
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(_open, [path] * 8))) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["keyring.json"]


def _rotate(path: str) -> str:
    return Keyring.open(Path(path)).rotate(Purpose.token).kid


def test_rotations_at_once_lose_no_key(ring: Keyring) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        made = pool.map(_rotate, [str(ring.path)] * 8)
    held = {k.kid for k in Keyring.open(ring.path).list()}
    assert set(made) <= held
