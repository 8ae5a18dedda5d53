"""From signed content to PDF/A-3 with typst: the same content, images and key give the same bytes.

A template sees the canonical content and the images that it names, so that what was signed is what
is shown. It sees no clock, no font but Sarabun and nothing from the network; the creation date is
that of the issue. Content and its signature are attached. A page takes some hundredths of a second
of the CPU, with the interpreter's lock released: run it in a thread.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import UUID

import fontpkg_sarabun
import msgspec
import segno
import typst
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import codes
from api.documents import glyphs, seals
from api.documents.model import Envelope

TEMPLATES: Final = Path(__file__).parent / "templates"
SHOWABLE: Final = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png"}
"""How an image begins that may be shown; all else is named as evidence without a picture."""
VERSION: Final = f"typst {typst.__version__ if hasattr(typst, '__version__') else ''}".strip()


class Unrenderable(Exception):
    """The template and the content do not fit; trying again cannot help."""


def pdf(
    canonical: bytes,
    jws: str,
    images: Mapping[UUID, bytes],
    kid: str,
    private: Ed25519PrivateKey,
) -> bytes:
    """The sealed PDF of the document whose canonical content is `canonical`.

    `images`: derivatives without metadata, by evidence id. Raises `Unrenderable`.
    """
    return seals.seal_pdf(_compiled(canonical, jws, images, kid), private)


def pngs(canonical: bytes, images: Mapping[UUID, bytes], ppi: float = 100) -> list[bytes]:
    """Its pages as pictures, for whoever wants to look at them."""
    made = _compiled(canonical, "", images, "none", format="png", ppi=ppi)
    return made if isinstance(made, list) else [made]


def _compiled(
    canonical: bytes, jws: str, images: Mapping[UUID, bytes], kid: str, **options: Any
) -> Any:
    envelope = msgspec.json.decode(canonical, type=Envelope)
    with TemporaryDirectory(prefix="superapp-document-") as folder:
        root = Path(folder)
        for template in ("common.typ", f"{envelope.kind}.typ"):
            (root / template).write_bytes((TEMPLATES / template).read_bytes())
        shown = {}
        for id, data in sorted(images.items()):
            ending = next((e for start, e in SHOWABLE.items() if data.startswith(start)), None)
            if ending:
                shown[str(id)] = f"/image-{id}{ending}"
                (root / f"image-{id}{ending}").write_bytes(data)
        derived = {
            "keywords": seals.keywords(kid),
            "sha256": hashlib.sha256(canonical).hexdigest(),
            "code": codes.shown(envelope.code),
            "images": shown,
        }
        (root / "derived.json").write_bytes(msgspec.json.encode(derived))
        (root / seals.CONTENT_NAME).write_bytes(canonical)
        (root / "shown.json").write_bytes(glyphs.shown(canonical))
        (root / seals.JWS_NAME).write_text(jws, encoding="ascii")
        (root / "qr.svg").write_bytes(_qr(envelope.verify_at))
        if "format" not in options:
            options = {"format": "pdf", "pdf_standards": ["a-3b"]}
        try:
            return typst.compile(
                str(root / f"{envelope.kind}.typ"),
                root=str(root),
                font_paths=_fonts(),
                ignore_system_fonts=True,
                timestamp=int(datetime.fromisoformat(envelope.issued_at).timestamp()),
                **options,
            )
        except typst.TypstError as error:
            raise Unrenderable(f"{envelope.kind}: {error.message}") from error
        finally:
            _forget()


def sheet(template: str, content: Mapping[str, Any], qr: str, **options: Any) -> Any:
    """A page that is printed and given away: no document, not signed, not kept. A PDF, if not said
    otherwise. `qr`: what its code holds. Raises `Unrenderable`."""
    with TemporaryDirectory(prefix="superapp-sheet-") as folder:
        root = Path(folder)
        (root / "sheet.typ").write_bytes((TEMPLATES / f"{template}.typ").read_bytes())
        (root / "sheet.json").write_bytes(msgspec.json.encode(content))
        (root / "qr.svg").write_bytes(_qr(qr))
        try:
            return typst.compile(
                str(root / "sheet.typ"),
                root=str(root),
                font_paths=_fonts(),
                ignore_system_fonts=True,
                **({"format": "pdf"} | options),
            )
        except typst.TypstError as error:
            raise Unrenderable(f"{template}: {error.message}") from error
        finally:
            _forget()


def _forget() -> None:
    """typst remembers what ten compilations ago was drawn, unpacked photographs too: 600 MB of a
    worker, and personal data. Compiling nothing some more often makes it forget at once."""
    for _ in range(12):
        typst.compile(b"", format="svg", font_paths=_fonts(), ignore_system_fonts=True)


def _qr(text: str) -> bytes:
    buffer = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        buffer, kind="svg", xmldecl=False, svgns=True, border=2
    )
    return buffer.getvalue()


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(fontpkg_sarabun.ROOT / "files")],
    )
