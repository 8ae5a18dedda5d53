"""A photograph from the field over a bad line: resumable, verified, and kept once and for all."""

from __future__ import annotations

import base64
import hashlib
import io
import random
from datetime import UTC, datetime
from typing import Any

import httpx
from PIL import Image

from api import ids
from demo.callers import Caller, NotAsItShould
from demo.story import Story

ITEM = "E08"
TUS = {"Tus-Resumable": "1.0.0"}


def play(story: Story) -> None:
    story.chapter("พยานหลักฐาน", "The evidence")
    _upload(story)
    _kept(story)


def _upload(story: Story) -> None:
    story.step(
        f"ผู้ตรวจคนที่สองส่งภาพถ่ายข้อ {ITEM} สายหลุดกลางทาง แล้วส่งต่อจากที่ค้าง",
        f"The second inspector sends a photograph of {ITEM}; the line is cut half-way, and it goes "
        "on where it stopped",
    )
    phone, visit = story.person("inspector-2"), story.facts["visit"]
    photograph = picture()
    sha256, id = hashlib.sha256(photograph).hexdigest(), str(ids.new())
    claims = {
        "id": id,
        "sha256": sha256,
        "owner_kind": "visit",
        "owner": visit,
        "item": ITEM,
        "taken_at": datetime.now(UTC).isoformat(),
        "filename": "ทางหนีไฟ.jpg",
    }
    place = _create(phone, claims, len(photograph))
    half = len(photograph) // 2
    _append(phone, place, 0, photograph[:half])
    stored = int(_send(phone, "HEAD", place, 200).headers["Upload-Offset"])
    story.equal(stored, half, "how much the server holds after the cut")
    _append(phone, place, stored, photograph[stored:])
    found = story.wait(
        lambda: (e := phone.get(f"/v1/evidence/{id}"))["state"] == "stored" and e,
        "the server verifies the hash and signs for it",
    )
    story.expect(bool(found["receipt"]), "the receipt, after which the phone may delete", found)
    again = _create(phone, claims, len(photograph))
    story.equal(again, place, "the same file again is the same upload")
    other = _send(
        phone,
        "POST",
        "/v1/uploads",
        409,
        {"Upload-Length": "9", "Upload-Metadata": _metadata(claims | {"sha256": "0" * 64})},
    )
    story.facts["evidence"], story.facts["picture"] = id, photograph
    story.came_back(
        f"{len(photograph)} bytes, cut at {half}, gone on there",
        f"stored, SHA-256 {sha256[:16]}…, receipt {found['receipt'][:16]}…",
        f"other bytes under its id: 409 {other.json()['code']}",
    )


def uploaded(story: Story, phone: Caller, data: bytes, **claims: Any) -> str:
    """The id of a file that was sent whole and that the server has signed for."""
    id = str(claims.get("id") or ids.new())
    claims |= {"id": id, "sha256": hashlib.sha256(data).hexdigest()}
    _append(phone, _create(phone, claims, len(data)), 0, data)
    story.wait(
        lambda: phone.get(f"/v1/evidence/{id}")["state"] == "stored", "the server signs for it"
    )
    return id


def _kept(story: Story) -> None:
    story.step(
        "ภาพเป็นของการตรวจแล้ว ต้นฉบับไม่ถูกแตะ มีภาพย่อที่ลบข้อมูลแฝง คนนอกไม่เห็น",
        "The photograph belongs to the visit; the original is untouched, a small one without "
        "metadata is beside it; outsiders see nothing",
    )
    head, visit, id = story.person("head"), story.facts["visit"], story.facts["evidence"]
    seen = story.wait(
        lambda: [e for e in head.get(f"/v1/visits/{visit}")["evidence"] if e["id"] == id],
        "the visit has its photograph",
    )
    story.equal(seen[0]["item"], ITEM, "the item that it belongs to")
    path = f"/v1/evidence/{id}"
    original = _send(head, "GET", f"{path}/content", 200).content
    story.expect(original == story.facts["picture"], "the original, byte for byte")
    small = story.wait(
        lambda: _bytes(head, f"{path}/content?form=thumbnail"), "the worker makes a small one"
    )
    story.expect(b"EXIF-MARK" not in small, "nothing of the camera's is in it")
    elsewhere = story.person("inspector-elsewhere").get(path, status=404)
    story.person("stranger").get(path, status=404)
    story.came_back(
        f"original {len(original)} bytes, thumbnail {len(small)} bytes",
        f"another province, another company: 404 {elsewhere['code']}",
    )


def picture() -> bytes:
    """A picture of its own each time, with something in its metadata that must not be passed on."""
    dice = random.Random()
    image = Image.frombytes("RGB", (16, 12), dice.randbytes(16 * 12 * 3)).resize((1600, 1200))
    exif = Image.Exif()
    exif[0x010F] = "EXIF-MARK"
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def _metadata(claims: dict[str, Any]) -> str:
    return ",".join(
        f"{name} {base64.b64encode(str(value).encode()).decode()}" for name, value in claims.items()
    )


def _create(phone: Caller, claims: dict[str, Any], size: int) -> str:
    headers = {"Upload-Length": str(size), "Upload-Metadata": _metadata(claims)}
    made = _send(phone, "POST", "/v1/uploads", 201, headers)
    return httpx.URL(made.headers["Location"]).path


def _append(phone: Caller, place: str, offset: int, data: bytes) -> None:
    headers = {
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(offset),
    }
    _send(phone, "PATCH", place, 204, headers, data)


def _send(
    caller: Caller,
    method: str,
    path: str,
    status: int,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
) -> httpx.Response:
    given = TUS | {"Authorization": f"Bearer {caller.access}"} | (headers or {})
    answer = caller.http.request(method, path, headers=given, content=content)
    if answer.status_code != status:
        raise NotAsItShould(
            f"{method} {path} should answer {status}\n"
            f"  but: {answer.status_code} {answer.text[:300]}"
        )
    return answer


def _bytes(caller: Caller, path: str) -> bytes | None:
    answer = caller.http.get(path, headers={"Authorization": f"Bearer {caller.access}"})
    return answer.content if answer.status_code == 200 else None
