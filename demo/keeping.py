"""What is kept besides answers: drawn signatures, and a sample with its chain of custody."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image, ImageDraw

from api import ids
from demo.photographs import picture, uploaded
from demo.story import Story

NUMBER, ITEM, LABORATORY = "W-1", "H06", "ห้องปฏิบัติการตัวอย่าง"
REPRESENTATIVE = "ผู้จัดการ ตัวอย่าง"


def play(story: Story) -> None:
    """Before the visit is submitted."""
    _sample(story)
    _signatures(story)


def _sample(story: Story) -> None:
    story.step(
        f"ผู้ตรวจเก็บตัวอย่างน้ำทิ้งสำหรับข้อ {ITEM} ติดตราผนึก ภาพถ่ายตามมาทีหลัง",
        f"The inspector takes a sample of waste water for {ITEM} and seals it; its photograph "
        "comes later",
    )
    phone, visit, photograph = story.people["inspector"], story.facts["visit"], str(ids.new())
    operation = {
        "op": "visit.take_sample",
        "id": str(ids.new()),
        "visit": visit,
        "items": [ITEM],
        "number": NUMBER,
        "what": "น้ำทิ้ง 2 ลิตร",
        "place": "จุดปล่อยสุดท้าย",
        "seal": "S-0001",
        "taken_at": datetime.now(UTC) - timedelta(minutes=40),
        "photographs": [photograph],
    }
    (result,) = phone.push(operation)
    story.equal(result["status"], "stored", f"the status ({result})")
    uploaded(story, phone, picture(), id=photograph)
    seen = story.wait(
        lambda: (v := phone.get(f"/v1/visits/{visit}")) and _has(v, photograph) and v,
        "the photograph becomes the visit's, though it named none",
    )
    (sample,) = seen["samples"]
    story.equal(sample["breaks"], [], "what breaks the chain so far")
    story.facts["sample"] = operation["id"]
    story.facts["sent"].append(operation["id"])
    story.came_back(f"{result['status']}: {sample['number']}, seal {sample['seal']}")


def _has(visit: dict[str, Any], evidence: str) -> bool:
    return any(e["id"] == evidence for e in visit["evidence"])


def _signatures(story: Story) -> None:
    story.step(
        "หัวหน้าคณะและผู้แทนโรงงานลงลายมือชื่อบนหน้าจอ ชื่อผู้แทนถูกปิดผนึก",
        "The lead and the representative sign on the screen; the representative's name is sealed",
    )
    phone, visit = story.people["inspector"], story.facts["visit"]
    operations: list[dict[str, Any]] = []
    for who, more in (
        ("inspector", {}),
        ("representative", {"name": REPRESENTATIVE, "capacity": "ผู้จัดการโรงงาน"}),
    ):
        image = uploaded(story, phone, drawn(len(operations)), owner_kind="visit", owner=visit)
        operation = {"op": "visit.sign", "id": str(ids.new()), "visit": visit, "who": who}
        operations.append(operation | {"evidence": image, "signed_at": datetime.now(UTC)} | more)
    results = phone.push(*operations)
    story.equal([r["status"] for r in results], ["stored", "stored"], f"the statuses ({results})")
    seen = phone.get(f"/v1/visits/{visit}")
    story.equal(len(seen["signatures"]), 2, "the visit's signatures")
    story.expect(REPRESENTATIVE not in str(seen["signatures"]), "the name is not among them")
    story.facts["sent"] += [o["id"] for o in operations]
    story.came_back(*(f"{s['who']}: {s['evidence']}" for s in seen["signatures"]))


def hand_over(story: Story) -> None:
    """Before the laboratory's result."""
    story.step(
        f"ตัวอย่าง {NUMBER} ถูกส่งมอบให้ห้องปฏิบัติการ ทุกทอดเป็นหลักฐาน แก้ย้อนหลังไม่ได้",
        f"Sample {NUMBER} goes to the laboratory; every hand-over is a row that nobody can change",
    )
    desk, path = story.person("provincial-officer"), f"/v1/samples/{story.facts['sample']}"
    office, carrier = "สำนักงานอุตสาหกรรมจังหวัดตัวอย่าง", "ขนส่งตัวอย่าง"
    link, body = f"{path}/handovers/{ids.new()}", _link(office, carrier)
    first = desk.ask("PUT", link, body)
    again = desk.ask("PUT", link, body)
    story.equal(len(again["handovers"]), 1, "a hand-over sent twice is one")
    changed = desk.ask("PUT", link, _link(office, LABORATORY), status=409)
    whole = desk.ask("PUT", f"{path}/handovers/{ids.new()}", _link(carrier, LABORATORY))
    story.equal(whole["breaks"], [], "what breaks the chain")
    story.person("inspector-elsewhere").get(path, status=404)
    story.came_back(
        " → ".join([first["handovers"][0]["giver"], *(h["receiver"] for h in whole["handovers"])]),
        f"the first one changed: 409 {changed['code']}",
    )


def _link(giver: str, receiver: str) -> dict[str, Any]:
    return {
        "giver": {"organisation": giver},
        "receiver": {"organisation": receiver, "name": "เจ้าหน้าที่ ตัวอย่าง"},
        "handed_at": datetime.now(UTC),
        "condition": "แช่เย็น 4 °C",
        "seal_intact": True,
    }


def drawn(seed: int) -> bytes:
    """Strokes on nothing, as a phone draws a signature."""
    image = Image.new("RGBA", (600, 200), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    across = [(20 + 28 * n, 100 + 70 * ((n * (seed + 3)) % 5 - 2) // 2) for n in range(20)]
    pen.line(across, (0, 0, 0, 255), 5, joint="curve")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
