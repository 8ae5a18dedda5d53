"""The signatures of documents: over their content, over their PDF, over what became of them.

Content: the canonical JSON (RFC 8785) of an `Envelope`, signed as a detached compact JWS (RFC 7515
appendix F, EdDSA). PDF: its keywords, which stand in clear both in the information dictionary and
in the XMP metadata, have room for a signature over the SHA-256 of the whole file with that room
blank; so one changed byte anywhere is noticed, and the file stays valid PDF/A. Verifying needs
public keys only. Nothing here knows a data base.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KeyOf = Callable[[str], Ed25519PublicKey | None]
"""The public key of a key id, where it is one that signs documents."""

CONTENT: Final = "document+jws"
FORCE: Final = "document-force+jws"
FILE: Final = "document-file+jws"
CONTENT_NAME: Final = "document.json"
JWS_NAME: Final = "document.jws"
MARK: Final = b"superapp-seal:"
KID_MARK: Final = b"superapp-key:"
_ROOM: Final = 86  # 64 bytes in base64url
BLANK: Final = MARK + b"A" * _ROOM
_SEALED: Final = re.compile(re.escape(MARK) + rb"([A-Za-z0-9_-]{86})")
_KID: Final = re.compile(re.escape(KID_MARK) + rb"([A-Za-z0-9._-]{1,100})")
_LABEL: Final = b"superapp document pdf 1\0"
_FILE: Final = re.compile(rb"/Type\s*/EmbeddedFile\b.*?>>\s*stream\r?\n", re.S)
_LARGEST: Final = 64 * 1024 * 1024


class _Header(msgspec.Struct):
    alg: str
    kid: str
    typ: str


def canonical(value: Any) -> bytes:
    """The one form of `value` as JSON (RFC 8785). Raises ValueError for what JSON cannot hold."""
    return rfc8785.dumps(msgspec.to_builtins(value, str_keys=True))


def sign(kid: str, private: Ed25519PrivateKey, payload: bytes, typ: str) -> str:
    """A detached compact JWS over `payload`: `header..signature`."""
    header = _b64(msgspec.json.encode(_Header("EdDSA", kid, typ)))
    return f"{header}..{_b64(private.sign(_input(header, payload)))}"


def verify(jws: str, payload: bytes, typ: str, key_of: KeyOf) -> bool:
    """Whether `jws` was made over exactly `payload`, as a `typ`, with a key of ours."""
    header, first, rest = jws.partition("..")
    try:
        told = msgspec.json.decode(_unb64(header), type=_Header)
        signature = _unb64(rest)
    except (ValueError, msgspec.MsgspecError):
        return False
    if not first or told.alg != "EdDSA" or told.typ != typ:
        return False
    return _holds(key_of(told.kid), signature, _input(header, payload))


def kid_of(jws: str) -> str:
    """The key id that a JWS names; empty where it cannot be read."""
    try:
        return msgspec.json.decode(_unb64(jws.partition("..")[0]), type=_Header).kid
    except (ValueError, msgspec.MsgspecError):
        return ""


# --- the PDF ------------------------------------------------------------------------------------


def keywords(kid: str) -> list[str]:
    """The keywords that a PDF is made with, so that `seal_pdf` finds its room."""
    return [KID_MARK.decode() + kid, BLANK.decode()]


def seal_pdf(pdf: bytes, private: Ed25519PrivateKey) -> bytes:
    """`pdf` with its room filled. Raises ValueError where it has none."""
    if pdf.count(MARK) != 2 or pdf.count(BLANK) != 2:
        raise ValueError("the PDF has no room for a seal")
    return pdf.replace(BLANK, MARK + _b64(private.sign(_message(pdf))).encode())


class Pdf(msgspec.Struct, frozen=True):
    """What a file says of itself. `kid`: the key it names; `intact`: not a byte was changed."""

    kid: str
    intact: bool
    content: bytes | None = None
    jws: str = ""


def read_pdf(pdf: bytes, key_of: KeyOf) -> Pdf | None:
    """None for a file that carries no seal; attachments are read of an intact one only."""
    found = _KID.search(pdf)
    seals = set(_SEALED.findall(pdf))
    if found is None or pdf.count(MARK) != 2 or len(seals) != 1:
        return Pdf(found[1].decode(), intact=False) if found else None
    kid, (seal,) = found[1].decode(), seals
    try:
        signature = _unb64(seal.decode())
    except ValueError:
        return Pdf(kid, intact=False)
    if not _holds(key_of(kid), signature, _message(pdf.replace(MARK + seal, BLANK))):
        return Pdf(kid, intact=False)
    content, jws = _attachments(pdf)
    return Pdf(kid, intact=True, content=content, jws=jws)


def _attachments(pdf: bytes) -> tuple[bytes | None, str]:
    """The content and its JWS, told apart by their form; of a file that we ourselves sealed."""
    content, jws = None, ""
    for found in _FILE.finditer(pdf):
        raw = pdf[found.end() :]
        packed = b"FlateDecode" in pdf[found.start() : found.end()]
        end = raw.find(b"endstream")
        data = zlib.decompressobj().decompress(raw, _LARGEST) if packed else raw[:end].rstrip()
        if data[:1] == b"{":
            content = data
        else:
            jws = data.decode("ascii", "replace").strip()
    return content, jws


def _message(blank: bytes) -> bytes:
    return _LABEL + hashlib.sha256(blank).digest()


def _input(header: str, payload: bytes) -> bytes:
    return f"{header}.{_b64(payload)}".encode()


def _holds(key: Ed25519PublicKey | None, signature: bytes, message: bytes) -> bool:
    if key is None:
        return False
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


# --- public keys --------------------------------------------------------------------------------


def key_set(jwks: bytes) -> KeyOf:
    """Looks keys up in a JWK set (RFC 7517), as `superapp keys public` and our JWKS give it.

    Only those that sign documents count. Raises ValueError for anything else than a key set.
    """
    try:
        held = msgspec.json.decode(jwks, type=dict[str, list[dict[str, Any]]])
    except msgspec.MsgspecError:
        raise ValueError("not a JSON Web Key Set") from None
    found = dict(filter(None, map(_key, held.get("keys", []))))
    if not found:
        raise ValueError("the key set has no key that signs documents")
    return found.get


def _key(jwk: Mapping[str, Any]) -> tuple[str, Ed25519PublicKey] | None:
    kid, x = jwk.get("kid"), jwk.get("x")
    if jwk.get("crv") != "Ed25519" or not isinstance(kid, str) or not isinstance(x, str):
        return None
    if not kid.startswith("document-"):
        return None
    return kid, Ed25519PublicKey.from_public_bytes(_unb64(x))


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    """Strictly: another spelling of the same bytes is refused. Raises ValueError."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _b64(raw) != text:
        raise ValueError("not in its one form")
    return raw
