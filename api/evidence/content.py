"""What a file is, by its first bytes; never by its name or by what its sender says."""

from __future__ import annotations

UNKNOWN = "application/octet-stream"
HEAD = 64
"""So many of the first bytes decide."""
PICTURES = ("image/jpeg", "image/png")
"""What is decoded, in the guarded step only."""
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_LAYER_3 = (b"\xfb", b"\xfa", b"\xf3", b"\xf2", b"\xe3", b"\xe2")
_VIDEO = (
    *(b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42"),
    *(b"avc1", b"M4V ", b"3gp4", b"3gp5", b"mmp4", b"dash"),
)


def media_type(head: bytes) -> str:
    """Pictures, PDF, films and recordings of sound; everything else is bytes without a meaning."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in _HEIC:
            return "image/heic"
        if brand in _VIDEO:
            return "video/mp4"
        if brand in (b"M4A ", b"M4B ", b"F4A "):
            return "audio/mp4"
        if brand == b"qt  ":
            return "video/quicktime"
    if head.startswith(b"OggS"):
        return "audio/ogg"
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return "audio/wav"
    # A frame of MPEG layer III (ISO/IEC 11172-3, 2.4.1.3), or an ID3 tag before the first.
    if head.startswith(b"ID3") or (head[:1] == b"\xff" and head[1:2] in _LAYER_3):
        return "audio/mpeg"
    return UNKNOWN
