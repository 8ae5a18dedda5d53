"""What the worker finds out about pictures, and what it must never let happen."""

from __future__ import annotations

import io
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from api import settings
from api.evidence import derivatives, guarded
from tests.evidence.conftest import Phone, Work, photograph
from tests.world import World

TAKEN = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
LOCAL = "2026:11:20 10:00:00"
PLACE = (13.6, 100.6)


@pytest.fixture
def phone(world: World) -> Phone:
    return Phone(world.inspector)


def codes(found: dict[str, Any]) -> set[str]:
    return {flag["code"] for flag in found["flags"]}


async def sent(phone: Phone, work: Work, data: bytes, **claims: Any) -> dict[str, Any]:
    id = await phone.send(data, **claims)
    await work()
    return await phone.about(id)


async def test_a_photograph_gets_two_smaller_forms_without_any_metadata(
    phone: Phone, work: Work
) -> None:
    data = photograph(10, (2400, 1800), taken=LOCAL, position=PLACE)
    found = await sent(phone, work, data)
    assert found["forms"] == ["original", "thumbnail", "screen"]
    assert (found["width"], found["height"]) == (2400, 1800)
    for form, side in (("thumbnail", 320), ("screen", 1600)):
        got = await phone.person.get(f"/v1/evidence/{found['id']}/content?form={form}")
        assert got.headers["Content-Type"] == "image/jpeg"
        assert b"Exif" not in got.content and "กล้อง".encode() not in got.content
        with Image.open(io.BytesIO(got.content)) as small:
            assert max(small.size) == side
            assert not small.getexif() and "icc_profile" not in small.info
    original = await phone.person.get(f"/v1/evidence/{found['id']}/content")
    assert original.content == data


async def test_exif_that_agrees_with_the_claims_raises_no_flag(phone: Phone, work: Work) -> None:
    data = photograph(11, taken=LOCAL, position=PLACE)
    claims = {"taken_at": TAKEN.isoformat(), "lat": 13.6001, "lng": 100.6, "accuracy_m": 8}
    assert codes(await sent(phone, work, data, **claims)) == set()


async def test_exif_that_differs_from_the_claims_is_a_flag(phone: Phone, work: Work) -> None:
    data = photograph(12, taken="2026:10:01 09:00:00", position=(18.8, 98.9))
    found = await sent(phone, work, data, taken_at=TAKEN.isoformat(), lat=13.6, lng=100.6)
    assert codes(found) == {"exif.time_differs", "exif.position_differs"}
    metres = next(f["facts"]["metres"] for f in found["flags"] if "metres" in f.get("facts", {}))
    assert 590_000 < metres < 620_000


async def test_a_photograph_without_exif_says_so(phone: Phone, work: Work) -> None:
    assert codes(await sent(phone, work, photograph(13))) == {"exif.missing"}


async def test_the_same_photograph_used_again_names_the_first(
    phone: Phone, work: Work, world: World
) -> None:
    first = await sent(phone, work, photograph(14, taken=LOCAL, position=PLACE))
    again = await sent(
        Phone(world["inspector-2"]), work, photograph(14, taken=LOCAL, position=PLACE)
    )
    (flag,) = [f for f in again["flags"] if f["code"] == "photo.used_before"]
    assert flag["facts"] == {"evidence": first["id"], "same_bytes": True}
    assert "photo.used_before" not in codes(first)


async def test_a_photograph_saved_anew_and_smaller_is_known_again(phone: Phone, work: Work) -> None:
    first = await sent(phone, work, photograph(15, (1200, 900), taken=LOCAL))
    with Image.open(io.BytesIO(photograph(15, (1200, 900)))) as image:
        out = io.BytesIO()
        image.resize((800, 600)).save(out, "JPEG", quality=60)
    again = await sent(phone, work, out.getvalue(), owner_kind="visit", owner=uuid4())
    (flag,) = [f for f in again["flags"] if f["code"] == "photo.used_before"]
    assert flag["facts"] == {"evidence": first["id"], "same_bytes": False}
    other = await sent(phone, work, photograph(16, (1200, 900), taken=LOCAL))
    assert "photo.used_before" not in codes(other)


async def test_a_bomb_is_kept_and_flagged_and_not_decoded(phone: Phone, work: Work) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000_000), 9)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)
    found = await sent(phone, work, bomb + chunk(b"IEND", b""))
    assert found["state"] == "stored" and found["media"] == "image/png"
    assert "image.too_large" in codes(found)
    assert found["forms"] == ["original"]


async def test_a_text_bomb_inside_a_png_is_kept_and_flagged(phone: Phone, work: Work) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    whole = photograph(17, kind="PNG")
    text = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(80_000_000), 9))
    found = await sent(phone, work, whole[:33] + text * 8 + whole[33:])
    assert found["state"] == "stored"
    assert codes(found) & {"image.unreadable", "image.too_large"} or "screen" in found["forms"]


@pytest.mark.parametrize("cut", [20, 300, 2000])
async def test_a_broken_picture_is_kept_and_flagged(phone: Phone, work: Work, cut: int) -> None:
    found = await sent(phone, work, photograph(18)[:cut])
    assert found["state"] == "stored" and "image.unreadable" in codes(found)
    assert found["forms"] == ["original"]


async def test_a_picture_that_is_something_else_too_is_flagged_and_its_forms_are_clean(
    phone: Phone, work: Work
) -> None:
    payload = b"<html><script>alert(1)</script></html>PK\x05\x06"
    found = await sent(
        phone, work, photograph(19) + payload, filename="x.html", filetype="text/html"
    )
    assert found["media"] == "image/jpeg"
    assert {"image.trailing_bytes", "type.differs"} <= codes(found)
    for form in found["forms"][1:]:
        got = await phone.person.get(f"/v1/evidence/{found['id']}/content?form={form}")
        assert b"script" not in got.content
    got = await phone.person.get(f"/v1/evidence/{found['id']}/content")
    assert got.headers["Content-Type"] == "image/jpeg"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("head", "media"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "image/heic"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "video/mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0", "video/quicktime"),
        (b"MZ\x90\0", "application/octet-stream"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "application/octet-stream"),
    ],
)
async def test_a_type_is_what_the_bytes_say_and_others_are_kept_as_they_are(
    phone: Phone, work: Work, head: bytes, media: str
) -> None:
    found = await sent(
        phone, work, head + uuid4().bytes, filename="photo.jpg", filetype="image/jpeg"
    )
    assert (found["media"], found["forms"]) == (media, ["original"])
    assert codes(found) & {"type.differs", "type.unknown"}


async def test_a_guarded_step_that_hangs_or_dies_is_a_flag(
    phone: Phone, work: Work, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for at, text in enumerate(
        ("import time; time.sleep(60)", "import os; os.abort()", "print('{')")
    ):
        program = tmp_path / f"{at}.py"
        program.write_text(text)
        monkeypatch.setattr(derivatives, "_PROGRAM", program)
        monkeypatch.setattr(derivatives, "PATIENCE_S", 1.0)
        found = await sent(phone, work, photograph(100 + at))
        assert "image.unreadable" in codes(found), text


def test_pictures_are_decoded_nowhere_else() -> None:
    from tests.test_architecture import SOURCES

    using = {p.name for p in SOURCES if "PIL" in p.read_text(encoding="utf-8")}
    assert using == {"guarded.py"}
    text = Path(guarded.__file__).read_text(encoding="utf-8")
    assert "import api" not in text and "from api" not in text


async def test_too_many_pixels_or_bytes_are_not_even_tried(
    phone: Phone, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec

    now = settings.current()
    monkeypatch.setattr(
        settings, "_current", msgspec.structs.replace(now, image_max_pixels=640 * 480 - 1)
    )
    found = await sent(phone, work, photograph(20))
    assert "image.too_large" in codes(found) and found["width"] == 640
    monkeypatch.setattr(settings, "_current", msgspec.structs.replace(now, image_max_bytes=100))
    assert "image.too_large" in codes(await sent(phone, work, photograph(21)))
