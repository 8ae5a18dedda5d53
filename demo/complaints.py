"""A smell at night: told without a name, answered with an outcome; nobody learns who told it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from api import codes, ids
from api.clock import bangkok_date
from demo.callers import NotAsItShould
from demo.story import Story

NAME, PHONE = "ตัวอย่าง ไม่ประสงค์ออกนาม", "080-000-0000"
WORDS = "กลิ่นทินเนอร์แรงมากหลังเที่ยงคืน แสบจมูก ลูกนอนไม่ได้"


def play(story: Story) -> None:
    story.chapter("เรื่องร้องเรียน", "The complaint")
    _tell(story)
    _take_up(story)
    _ask(story)
    _visit(story)
    _resolve(story)
    _sealed(story)


def _tell(story: Story) -> None:
    story.step(
        "ตีหนึ่ง เพื่อนบ้านได้กลิ่นตัวทำละลาย แจ้งโดยไม่เข้าสู่ระบบ กดซ้ำก็เป็นเรื่องเดียว",
        "At one in the morning a neighbour smells solvent and says so without signing in; told "
        "twice it is told once",
    )
    site = story.person("head").get(f"/v1/visits/{story.facts['visit']}")["premises"]
    where = story.person("head").get(f"/v1/factories/{site}")["position"]
    complaint = str(ids.new())
    body = {
        "secret": "".join(secrets.choice(codes.ALPHABET) for _ in range(26)),
        "category": "odour",
        "description": WORDS,
        "answers": {
            "kind": "solvent",
            "how_often": "weekly",
            "hours": "00:00-03:00",
            "ill": "irritated",
        },
        "happened_at": datetime.now(UTC).isoformat(),
        "place": {"lat": where["lat"] + 0.002, "lng": where["lng"], "accuracy_m": 15},
        "contact": {"name": NAME, "phone": PHONE},
    }
    told = httpx.put(f"{story.url}/v1/complaints/{complaint}", json=body)
    story.equal(told.status_code, 200, "the answer")
    again = httpx.put(f"{story.url}/v1/complaints/{complaint}", json=body).json()
    first = told.json()
    story.equal((again["replayed"], again["number"]), (True, first["number"]), "told again")
    story.facts |= {"complaint": complaint, "tracking": first["code"], "site": site}
    seen = _by_code(story)
    story.equal(seen["status"], "received", "the status by the code alone")
    wrong = httpx.get(
        f"{story.url}/v1/own-complaints/{complaint}",
        headers={"Authorization": f"Tracking {codes.new(codes.SECRET)}"},
    )
    story.equal(wrong.status_code, 401, "another code")
    _as_holder(story, "PUT", f"occurrences/{ids.new()}", {"at": datetime.now(UTC), "strength": 4})
    story.came_back(
        f"number {first['number']}, code {first['code'][:9]}…, {seen['office_en']}",
        f"to be answered by {first['answer_by'][:10]}; the same again: logged with one tap",
    )


def _take_up(story: Story) -> None:
    story.step(
        "เจ้าหน้าที่เห็นเรื่องด่วนในรายการ รับเรื่อง ระบบเสนอโรงงานที่น่าจะใช่พร้อมเหตุผล ยืนยัน แล้วมอบหมาย",
        "An officer finds it in the list, takes it up; factories are offered with reasons, one is "
        "confirmed, an inspector gets it",
    )
    desk, complaint = story.person("provincial-officer"), story.facts["complaint"]
    path = f"/v1/complaints/{complaint}"
    listed = desk.get("/v1/complaints")["items"]
    story.expect(complaint in [c["id"] for c in listed], "the office has it on its desk", listed)
    held = desk.get(path)
    story.equal(held["severity"], "urgent", "how urgent, by what was answered")
    held = desk.post(f"{path}/accept", version=held["version"])
    offered = desk.get(f"{path}/around")["candidates"]
    story.expect(bool(offered), "factories around the place", offered)
    chosen = next((c for c in offered if c["premises"] == story.facts["site"]), None)
    if chosen is None:
        raise NotAsItShould(f"the factory is not among what is offered: {offered}")
    confirmed = desk.post(
        f"{path}/subject", {"premises": story.facts["site"]}, version=held["version"]
    )
    officer = story.person("inspector-2").get("/v1/me")["account"]
    held = desk.post(f"{path}/assign", {"officer": officer}, version=confirmed["version"])
    story.equal(held["state"], "assigned", "the state")
    why = "; ".join(reason["en"] for reason in chosen["reasons"])
    story.came_back(f"{len(offered)} offered; this one: {why}", f"state {held['state']}")


def _ask(story: Story) -> None:
    story.step(
        "ผู้ตรวจถามเพิ่ม นาฬิกาหยุดระหว่างรอ ผู้ร้องตอบด้วยรหัส โดยผู้ตรวจไม่รู้ว่าเป็นใคร",
        "The inspector asks; the clocks stand still; the neighbour answers by the code, and the "
        "inspector never learns who it is",
    )
    desk, complaint = story.person("inspector-2"), story.facts["complaint"]
    path = f"/v1/complaints/{complaint}"
    held = desk.post(f"{path}/begin", version=desk.get(path)["version"])
    question = {"id": str(ids.new()), "text": "ได้กลิ่นจากทิศใดของบ้าน"}
    held = desk.post(f"{path}/ask", question, version=held["version"])
    story.expect(held["paused_at"] is not None, "the clocks stand still", held)
    story.equal(_by_code(story)["status"], "waiting_for_you", "the status")
    _as_holder(story, "PUT", f"answers/{ids.new()}", {"text": "ทิศเหนือ ตรงปล่องสีเขียว"})
    held = desk.get(path)
    story.equal(held["state"], "in_progress", "the state")
    _no_person(story, held, "what the inspector sees")
    story.came_back("waiting_for_you → answered → in_progress", "no name, no number in the case")


def _visit(story: Story) -> None:
    story.step(
        "เรื่องกลายเป็นการตรวจ คำถามของเรื่องเป็นข้อตรวจลับ โรงงานเห็นเหมือนการตรวจปกติ "
        "ผู้ร้องเห็นเพียงกำลังดำเนินการ",
        "It becomes a visit with confidential items of its own; the factory sees nothing of it, "
        "the neighbour no more than “in progress”",
    )
    desk, head = story.person("inspector-2"), story.person("head")
    operator, complaint = story.person("operator"), story.facts["complaint"]
    before = operator.get("/v1/company/visits")["items"]
    visit, lead = str(ids.new()), desk.get("/v1/me")["account"]
    plan = {
        "complaints": [complaint],
        "planned_on": str(bangkok_date(datetime.now(UTC))),
        "lead": lead,
    }
    planned = desk.ask("PUT", f"/v1/complaint-visits/{visit}", plan)
    extra = planned["extra_items"]
    story.expect(bool(extra), "the complaint's questions are items of the visit", planned)
    story.equal(_by_code(story)["status"], "in_progress", "the status while it is planned")
    story.equal(operator.get("/v1/company/visits")["items"], before, "what the factory sees")
    now = datetime.now(UTC)
    answers = [
        {"item": item["code"], "value": "fail", "answered_at": now, "note": "ได้กลิ่นที่ปล่อง"}
        for item in extra
        if item["answer"]["type"] == "pass_fail_na"
    ]
    story.expect(bool(answers), "an item that can fail", extra)
    record = {"op": "visit.record", "id": str(ids.new()), "visit": visit}
    start = {"at": now - timedelta(minutes=30)}
    submit = {"op": "visit.submit", "id": str(ids.new()), "visit": visit, "ended_at": now}
    for result in desk.push(record | {"start": start, "answers": answers}, submit):
        story.expect(result["status"] in ("stored", "flagged"), "stored", result)
    taken = head.post(f"/v1/visits/{visit}/take-up", version=_version(head, visit))
    head.post(f"/v1/visits/{visit}/accept", {"note": ""}, version=taken["version"])
    path = f"/v1/complaints/{complaint}"
    story.wait(lambda: desk.get(path)["state"] == "in_progress", "the result reaches the complaint")
    shown = operator.get("/v1/company/visits")["items"]
    told = str([v for v in shown if v not in before])
    story.expect("complaint" not in told and "X0" not in told, "the factory learns no reason", told)
    story.came_back(
        f"{len(extra)} confidential items; {answers[0]['item']} failed",
        "the factory's own list says nothing of a complaint",
    )


def _resolve(story: Story) -> None:
    story.step(
        "แจ้งผล: เป็นจริงตามร้อง เพื่อนบ้านอ่านผลด้วยรหัส ให้คะแนน และบอกว่าแก้ไขแล้ว",
        "The outcome: substantiated. The neighbour reads it by the code, rates it, and says that "
        "it is solved",
    )
    desk, path = story.person("inspector-2"), f"/v1/complaints/{story.facts['complaint']}"
    decision = {
        "outcome": "substantiated",
        "text": "ตรวจแล้วพบว่าเป็นจริง โรงงานต้องแก้ไขตามกฎหมาย ขอบคุณที่แจ้ง",
    }
    held = desk.post(f"{path}/resolve", decision, version=desk.get(path)["version"])
    story.equal(held["state"], "resolved", "the state")
    seen = _by_code(story)
    story.equal((seen["status"], seen["outcome"]), ("finished", "substantiated"), "what is told")
    rated = _as_holder(story, "PUT", f"ratings/{ids.new()}", {"solved": True, "rating": 5})
    story.equal((rated["solved"], rated["rating"]), (True, 5), "the rating")
    story.came_back(f"{seen['status']}: {seen['decision']}", "solved, five of five")


def _sealed(story: Story) -> None:
    story.step(
        "ชื่อและโทรศัพท์ไม่ปรากฏแก่ใคร หัวหน้าเปิดได้เมื่อมีอำนาจและเหตุผล และผู้ร้องเห็นว่ามีการเปิด",
        "Name and number were shown to nobody; the head opens the seal only with authority and a "
        "reason, and the neighbour sees that it was opened",
    )
    complaint = story.facts["complaint"]
    path = f"/v1/complaints/{complaint}"
    for key in ("inspector-2", "provincial-officer", "head", "auditor"):
        _no_person(story, story.person(key).get(path), f"what {key} sees")
    head = story.person("head")
    reason = {"reason": "ต้องสอบถามพยานเพิ่มเติมตามมาตรา 35"}
    refused = head.post(f"{path}/identity", reason, status=403)
    grant = {
        "account": head.get("/v1/me")["account"],
        "power": "unseal",
        "section": "35",
        "instrument": "คำสั่งกระทรวงอุตสาหกรรม (ตัวอย่าง) ที่ 2/2569",
        "valid_from": str(bangkok_date(datetime.now(UTC)) - timedelta(days=1)),
    }
    story.person("administrator").ask("PUT", f"/v1/authorities/{ids.new()}", grant)
    opened = head.post(f"{path}/identity", reason)
    story.equal((opened["name"], opened["phone"]), (NAME, PHONE), "what was sealed")
    (told,) = _by_code(story)["openings"]
    story.equal(told["reason"], reason["reason"], "the reason, on the neighbour's own page")
    story.came_back(
        f"without authority: 403 {refused['code']}",
        f"with it: opened; the neighbour reads: {told['office_en']}, “{told['reason']}”",
    )


# --- shared ---------------------------------------------------------------------------------------


def _by_code(story: Story) -> Any:
    return _as_holder(story, "GET", "", None)


def _as_holder(story: Story, method: str, part: str, body: Any) -> Any:
    """As somebody who has nothing but the tracking code."""
    path = f"/v1/own-complaints/{story.facts['complaint']}{part and '/'}{part}"
    if isinstance(body, dict):
        body = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in body.items()}
    answer = httpx.request(
        method,
        f"{story.url}{path}",
        json=body,
        headers={"Authorization": f"Tracking {story.facts['tracking']}", "Accept-Language": "en"},
    )
    if answer.status_code != 200:
        raise NotAsItShould(f"{method} {path}: {answer.status_code} {answer.text[:400]}")
    return answer.json()


def _no_person(story: Story, seen: Any, what: str) -> None:
    story.expect(NAME not in str(seen) and PHONE not in str(seen), f"{what} names nobody", seen)


def _version(head: Any, visit: str) -> int:
    found: int = head.get(f"/v1/visits/{visit}")["version"]
    return found
