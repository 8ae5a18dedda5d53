"""The review: the head returns one item, the phone corrects it, the result is accepted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from api import ids
from demo import keeping
from demo.day import FAILED, answers_of, open_items
from demo.filling import Checklist
from demo.story import Story

RETURNED = "A06"
LABORATORY = keeping.ITEM


def play(story: Story) -> None:
    story.chapter("การพิจารณาผล", "The review")
    _return(story)
    _correct(story)
    _accept(story)
    _confirm(story)
    keeping.hand_over(story)
    _laboratory(story)


def _return(story: Story) -> None:
    story.step(
        f"อุตสาหกรรมจังหวัดรับเรื่องพิจารณา เห็นว่าแรงม้า ({RETURNED}) สูงผิดปกติ จึงส่งกลับข้อเดียว",
        f"The provincial head takes the visit up, doubts the horsepower ({RETURNED}) and returns "
        "that one item",
    )
    head, visit = story.person("head"), story.facts["visit"]
    waiting = head.get("/v1/visits", state="submitted")["items"]
    story.expect(visit in [v["id"] for v in waiting], "the visit waits for its review", waiting)
    seen = head.get(f"/v1/visits/{visit}")["version"]
    taken = head.post(f"/v1/visits/{visit}/take-up", version=seen)
    story.equal(taken["state"], "in_review", "the state")
    stale = head.post(f"/v1/visits/{visit}/accept", {}, version=seen, status=409)
    story.equal(stale["code"], "ground/stale-version", "an edit of an old version")
    returned = head.post(
        f"/v1/visits/{visit}/return",
        {"items": [RETURNED], "note": "แรงม้าสูงกว่าใบอนุญาตหลายเท่า โปรดนับใหม่"},
        version=taken["version"],
    )
    story.equal(returned["state"], "returned", "the state")
    story.came_back(
        f"in_review; an edit of the version before: 409 {stale['code']}",
        f"returned: {', '.join(returned['returned_items'])}",
    )


def _correct(story: Story) -> None:
    story.step(
        "โทรศัพท์ได้ข้อที่ส่งกลับ ผู้ตรวจแก้พร้อมเหตุผล แล้วส่งใหม่ในครั้งเดียว",
        "The phone gets the item back; the inspector corrects it with a reason and submits again, "
        "in one push",
    )
    phone, visit = story.people["inspector"], story.facts["visit"]
    checklist: Checklist = story.facts["checklist"]
    returned = phone.pull_until("visit", visit, lambda v: v["state"] == "returned")
    story.equal(returned["returned_items"], [RETURNED], "what the phone is asked to answer again")
    before = answers_of(returned)[RETURNED]
    correct = checklist.subject["horsepower"] + 120
    operations: list[dict[str, Any]] = [
        {
            "op": "visit.record",
            "id": str(ids.new()),
            "visit": visit,
            "answers": [
                {
                    "item": RETURNED,
                    "value": correct,
                    "answered_at": datetime.now(UTC),
                    "base": before["operation"],
                    "reason": "เครื่องกำเนิดไฟฟ้าสำรองถูกนับรวมเป็นเครื่องจักร",
                }
            ],
        },
        {"op": "visit.submit", "id": str(ids.new()), "visit": visit},
    ]
    results = phone.push(*operations)
    story.equal([r["status"] for r in results], ["stored", "stored"], f"the results ({results})")
    story.facts["sent"] += [o["id"] for o in operations]
    now = phone.pull_until("visit", visit, lambda v: v["state"] == "submitted")
    after = answers_of(now)[RETURNED]
    story.equal(
        (after["value"], after.get("conflict", False)), (correct, False), "the item as it stands"
    )
    story.expect(bool(after.get("reason")), "the reason stands beside it", after)
    story.came_back(f"{RETURNED}: {before['value']:g} → {after['value']:g} HP; {now['state']}")


def _accept(story: Story) -> None:
    story.step(
        "ก่อนรับรอง โรงงานเห็นเฉพาะการตรวจที่แจ้งล่วงหน้า ไม่เห็นการตรวจนี้ อุตสาหกรรมจังหวัดรับรองผล",
        "Before acceptance the factory knows of announced visits alone, not of this one; the head "
        "accepts",
    )
    head, visit = story.person("head"), story.facts["visit"]
    operator = story.person("operator")
    before = operator.get("/v1/company/visits")["items"]
    story.equal({v["state"] for v in before}, {"announced"}, "what the factory knows of so far")
    story.facts["known_before"] = {v["id"] for v in before}
    operator.get(f"/v1/company/visits/{visit}", status=404)
    version = head.get(f"/v1/visits/{visit}")["version"]
    taken = head.post(f"/v1/visits/{visit}/take-up", version=version)
    accepted = head.post(f"/v1/visits/{visit}/accept", {"note": "ครบถ้วน"}, version=taken["version"])
    story.equal(accepted["state"], "accepted", "the state")
    story.equal(open_items(accepted), FAILED, "the findings that stand")
    story.came_back(
        f"the factory: not among its {len(before)} announced, and 404", "the visit: accepted"
    )
    for finding in accepted["findings"]:
        story.expect(bool(finding["legal_ref"]), "every finding has its law", finding)
        story.came_back(
            f"{finding['item']} {finding['state']}, {finding['severity']}: {finding['legal_ref']}"
            f" ({finding['ref_status']})"
        )
    by_item = {f["item"]: f for f in accepted["findings"]}
    states = {item: by_item[item]["state"] for item in FAILED}
    wanted = {"A06": "open", "E08": "open", "H04": "needs_confirmation"}
    story.equal(states, wanted, "the states of the findings")
    story.facts["finding"] = by_item["H04"]


def _confirm(story: Story) -> None:
    story.step(
        "ข้อกฎหมายของ pH ยังอ้างจากความจำ เจ้าหน้าที่เปิดดูตัวบทแล้วยืนยัน",
        "The law behind the pH is only recalled: an officer looks it up and confirms it",
    )
    desk, finding = story.person("provincial-officer"), story.facts["finding"]
    path = f"/v1/findings/{finding['id']}/confirm"
    refused = story.people["inspector"].post(path, version=finding["version"], status=403)
    confirmed = desk.post(path, version=finding["version"])
    story.equal(confirmed["state"], "open", "the state of the finding")
    again = desk.post(path, version=confirmed["version"], status=409)
    story.came_back(
        f"by the inspector: 403 {refused['code']}",
        f"by the officer: {finding['state']} → {confirmed['state']}",
        f"a second time: 409 {again['code']}",
    )


def _laboratory(story: Story) -> None:
    story.step(
        f"ผลห้องปฏิบัติการของ COD ({LABORATORY}) มาถึงหลังรับรองผล",
        f"The laboratory's result for COD ({LABORATORY}) arrives after acceptance",
    )
    phone, visit = story.people["inspector"], story.facts["visit"]
    operation = {
        "op": "visit.add_result",
        "id": str(ids.new()),
        "visit": visit,
        "item": LABORATORY,
        "value": 96,
        "laboratory": keeping.LABORATORY,
        "report_no": "W-1/2569",
        "reported_at": datetime.now(UTC),
    }
    (result,) = phone.push(operation)
    story.equal(result["status"], "stored", f"the status ({result})")
    (twice,) = phone.push(operation | {"id": str(ids.new())})
    story.equal(twice["status"], "rejected", "a second result for the same sample")
    story.facts["sent"].append(operation["id"])
    now = phone.pull_until(
        "visit", visit, lambda v: answers_of(v)[LABORATORY]["outcome"] != "pending"
    )
    story.equal(now["state"], "accepted", "the state is as it was")
    story.equal(answers_of(now)[LABORATORY]["outcome"], "pass", "the outcome of the item")
    story.came_back(
        f"{result['status']}: 96 mg/L, {answers_of(now)[LABORATORY]['outcome']}; "
        f"the visit stays {now['state']}",
        f"a second result: rejected, {twice['problem']['title_en']}",
    )
