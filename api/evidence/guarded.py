"""The only place where pictures from outside are decoded: a program of its own, in narrow limits.

Run as `python -I guarded.py FORMAT MAX_PIXELS`; the picture comes on standard input. Answers one
line of JSON and then the derived pictures, one after the other, whose lengths the line tells.
It imports nothing of the application. Limits: address space, processor time, no new files or
processes; where it is root it becomes nobody before it looks at the first byte.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
import warnings
from datetime import datetime
from typing import Any

MEMORY = 1024 * 1024 * 1024
CPU_S = 20
SIZES = {"screen": 1600, "thumbnail": 320}
"""Longest side in pixels."""
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


def main() -> None:
    kind, pixels = sys.argv[1], int(sys.argv[2])
    # All that is needed is loaded here: afterwards no file can be opened that only root may read.
    from PIL import Image, ImageOps, JpegImagePlugin, PngImagePlugin, TiffImagePlugin  # noqa: F401

    datetime.strptime("2000", "%Y")  # noqa: DTZ007
    confine()
    data = sys.stdin.buffer.read()
    warnings.simplefilter("error")
    Image.MAX_IMAGE_PIXELS = None  # asked below, when width and height are known
    Image.preinit()
    said: dict[str, Any] = {"flags": []}
    pictures: list[bytes] = []
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            said["width"], said["height"] = image.size
            said["exif"] = exif_of(image)
            if image.width * image.height > pixels:
                raise Image.DecompressionBombError
            image.draft("RGB", (SIZES["screen"] * 2, SIZES["screen"] * 2))
            image.load()
            plain = on_paper(Image, ImageOps.exif_transpose(image))
        if not data.rstrip(b"\0").endswith(_ENDS[kind]):
            said["flags"].append("image.trailing_bytes")
        said["likeness"] = likeness(plain)
        said["lengths"] = {}
        for name, side in SIZES.items():
            plain.thumbnail((side, side))
            bare = Image.new("RGB", plain.size)
            bare.paste(plain)  # pixels alone: no metadata can come along
            out = io.BytesIO()
            bare.save(out, "JPEG", quality=82, optimize=True)
            pictures.append(out.getvalue())
            said["lengths"][name] = len(pictures[-1])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        said["flags"].append("image.too_large")
        said.pop("lengths", None)
        pictures = []
    except Exception:
        said["flags"].append("image.unreadable")
        said.pop("lengths", None)
        pictures = []
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\n" + b"".join(pictures))


def on_paper(kind: Any, image: Any) -> Any:
    """In RGB; what is transparent, as around a drawn signature, becomes white and not black."""
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image.convert("RGB")
    drawn = image.convert("RGBA")
    paper = kind.new("RGB", drawn.size, "white")
    paper.paste(drawn, mask=drawn.getchannel("A"))
    return paper


def confine() -> None:
    if sys.platform == "win32":
        return  # time and bytes are limited by whoever started us
    import resource

    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def exif_of(image: Any) -> dict[str, Any]:
    """When and where the camera says it was, as far as that can be read (Exif 2.32, §4.6)."""
    found: dict[str, Any] = {}
    try:
        exif = image.getexif()
        detail, gps = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    except Exception:
        return found
    text = str(detail.get(0x9003) or exif.get(0x0132) or "")[:19]
    zone = str(detail.get(0x9011) or detail.get(0x9010) or "+07:00").strip("\0 ")
    try:
        moment = datetime.strptime(text, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 the zone comes next
        found["taken_at"] = datetime.fromisoformat(f"{moment.isoformat()}{zone}").isoformat()
    except ValueError:
        pass
    try:
        lat, lng = (
            degrees(gps[value], gps.get(mark), negative)
            for value, mark, negative in ((2, 1, "S"), (4, 3, "W"))
        )
        if math.isfinite(lat + lng) and abs(lat) <= 90 and abs(lng) <= 180:
            found["lat"], found["lng"] = lat, lng
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        pass
    return found


def degrees(parts: Any, mark: Any, negative: str) -> float:
    hours, minutes, seconds = (float(part) for part in parts)
    found = hours + minutes / 60 + seconds / 3600
    return -found if str(mark).upper().startswith(negative) else found


def likeness(image: Any) -> int:
    """A difference hash of 64 bits: is each of 8 × 8 fields brighter than its right neighbour?"""
    small = image.convert("L").resize((9, 8), 3)
    pixels = list(small.tobytes())
    bits = 0
    for row in range(8):
        for column in range(8):
            at = row * 9 + column
            bits = bits << 1 | (pixels[at] > pixels[at + 1])
    return bits


if __name__ == "__main__":
    main()
