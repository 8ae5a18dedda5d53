"""PDFs: the same bytes from the same content, all kinds in both languages, one byte changed."""

from __future__ import annotations

import hashlib
import random
import struct
import subprocess
import sys
import unicodedata
import zlib
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.documents import contents, glyphs, rendering, seals
from tests.documents import samples

KINDS = sorted(contents.KINDS)


def picture(shade: int = 200, size: int = 64) -> bytes:
    """A grey PNG, made by hand."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + bytes([shade] * size) for _ in range(size))
    head = struct.pack("!IIBBBBB", size, size, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


IMAGES: dict[UUID, bytes] = {id: picture(40 * n) for n, id in enumerate(samples.PHOTOS)}


def made(kind: str, language: contents.Language = "th") -> bytes:
    canonical = samples.canonical(kind, samples.WHOLE[kind], language)
    jws = seals.sign(samples.KID, samples.KEY, canonical, seals.CONTENT)
    return rendering.pdf(canonical, jws, IMAGES, samples.KID, samples.KEY)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["th", "en"])
def test_every_kind_renders_whole_and_bare(kind: str, language: contents.Language) -> None:
    for content in (samples.WHOLE[kind], samples.BARE[kind]):
        pages = rendering.pngs(samples.canonical(kind, content, language), IMAGES, ppi=20)
        assert len(pages) >= 1
        assert all(page.startswith(b"\x89PNG") for page in pages)


def test_a_sample_of_each_kind_shows_every_field() -> None:
    """Or `test_every_kind_renders_whole_and_bare` would miss what a template cannot draw."""
    for kind, content in samples.WHOLE.items():
        filled = msgspec.to_builtins(content)
        assert set(filled) == {f.encode_name for f in msgspec.structs.fields(contents.KINDS[kind])}
        assert [n for n, v in filled.items() if v in ("", [], None)] == []


def test_the_same_content_gives_the_same_bytes_in_any_process() -> None:
    here = hashlib.sha256(made("order")).hexdigest()
    assert hashlib.sha256(made("order")).hexdigest() == here
    script = (
        "import hashlib; from tests.documents.test_rendering import made; "
        "print(hashlib.sha256(made('order')).hexdigest())"
    )
    environment = {"TZ": "America/New_York", "PYTHONHASHSEED": "7", "PATH": ""}
    there = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here


@pytest.mark.parametrize("kind", KINDS)
def test_a_pdf_carries_what_was_signed_and_its_seal_holds(kind: str) -> None:
    pdf = made(kind)
    found = seals.read_pdf(pdf, samples.key_of)
    assert found is not None
    assert (found.intact, found.kid) == (True, samples.KID)
    assert found.content == samples.canonical(kind, samples.WHOLE[kind])
    assert seals.verify(found.jws, found.content, seals.CONTENT, samples.key_of)
    assert b"pdfaid:part>3<" in pdf  # PDF/A-3
    assert not seals.verify(found.jws, found.content, seals.FORCE, samples.key_of)


def test_one_changed_bit_anywhere_breaks_the_seal() -> None:
    pdf = made("order")
    at = pdf.index(seals.MARK)
    places = set(random.Random(1).sample(range(len(pdf)), 400))
    places |= set(range(at - 60, at + 120)) | set(range(40)) | set(range(len(pdf) - 40, len(pdf)))
    for place in places:
        for bit in (1, 2, 32):
            changed = bytearray(pdf)
            changed[place] ^= bit
            found = seals.read_pdf(bytes(changed), samples.key_of)
            assert found is None or not found.intact, (place, bit)


def test_nothing_can_be_added_before_behind_or_twice() -> None:
    pdf = made("case_file")
    for changed in (pdf + b"\n", b" " + pdf, pdf + pdf, pdf[:-1], pdf + seals.BLANK):
        found = seals.read_pdf(changed, samples.key_of)
        assert found is None or not found.intact


def test_a_key_for_something_else_verifies_no_document() -> None:
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": seals._b64(b"\1" * 32)}
    with pytest.raises(ValueError, match="no key"):
        seals.key_set(msgspec.json.encode({"keys": [jwk | {"kid": "token-20261122-00000000"}]}))
    assert seals.key_set(msgspec.json.encode({"keys": [jwk | {"kid": samples.KID}]}))(samples.KID)
    for text in (b"", b"[]", b'{"keys": 1}', b'{"keys": []}'):
        with pytest.raises(ValueError, match=r"[Kk]ey"):
            seals.key_set(text)


FREE = frozenset({"what", "decision", "name", "note", "text", "operator", "reason", "facts"})
ODD = "😀 ✓ မြန်မာ 工厂 ລາວ \x01\x07\x0b\ufffe\ue000 \u202eกลับ\u202c \U0001d400 e\u0301\u20e3"
ANY = "".join(map(chr, [*range(1, 0xD800, 61), *range(0xE000, 0x110000, 4001)]))
FORMAT = "".join(
    c for c in map(chr, range(0x110000)) if unicodedata.category(c) in ("Cf", "Zs", "Cc")
)


def _written(value: Any, text: str, key: str = "") -> Any:
    """The same content, in whose free texts somebody wrote `text` as well."""
    if isinstance(value, dict):
        return {name: _written(part, text, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_written(part, text, key) for part in value]
    return f"{value} {text}" if isinstance(value, str) and key in FREE else value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [ODD, ANY, FORMAT, f"x{'y'.join(FORMAT)}"])
def test_whatever_people_write_has_a_pdf(kind: str, text: str) -> None:
    """An emoji, a tick, Burmese, Chinese, what no font has, and what turns the line around."""
    envelope = msgspec.json.decode(samples.canonical(kind, samples.WHOLE[kind]))
    envelope["content"] = _written(envelope["content"], text)
    canonical = msgspec.json.encode(envelope)
    assert text[-1] in canonical.decode(), "no text of it is free"
    assert rendering.pdf(canonical, "", IMAGES, samples.KID, samples.KEY).startswith(b"%PDF-")


def test_every_weight_of_the_font_draws_the_same_characters() -> None:
    plain = glyphs.glyphs()
    assert {ord(c) for c in "กขคฯ๙ aZ0–•“”"} <= plain and ord("😀") not in plain
    for weight in ("Bold", "Italic", "BoldItalic", "Medium", "SemiBold"):
        assert glyphs.glyphs(f"Sarabun-{weight}") == plain, weight


def test_what_cannot_be_shown_is_named_with_its_hash_instead() -> None:
    canonical = samples.canonical("visit_record", samples.WHOLE["visit_record"])
    without = rendering.pngs(canonical, {samples.PHOTOS[0]: b"\0\0\0\x18ftypheic"}, ppi=20)
    assert len(without) >= 2


def test_content_that_is_not_what_its_kind_says_is_refused() -> None:
    said = msgspec.to_builtins(samples.WHOLE["order"])
    for wrong in (said | {"surprise": 1}, {k: v for k, v in said.items() if k != "appeal"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, contents.Order)


def test_canonical_json_is_that_of_rfc_8785() -> None:
    """Its sample in §3.2.2, without what our contents cannot hold."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '€$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    wanted = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert seals.canonical(value) == wanted.encode()
