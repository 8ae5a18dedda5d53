"""The inspector's day: signed in, planned, filled without signal, sent twice, shared, submitted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from api import ids
from api.clock import BANGKOK, bangkok_date
from demo import keeping
from demo.callers import Caller, NotAsItShould
from demo.filling import Checklist
from demo.story import Story

FAILED = ["A06", "E08", "H04"]
ODD = {"H13": ["limit.not_evaluated"]}
"""The licensed flow of the effluent is not in the register, so its limit cannot be judged."""
COLLEAGUES_SECTIONS = ("K", "L")
DISPUTED = "C03"
COMPANY = "บริษัท ตัวอย่างโลหะกิจ จำกัด"


def play(story: Story) -> None:
    story.chapter("วันตรวจโรงงาน", "The inspection day")
    _sign_in(story)
    _plan(story)
    _pull(story)
    _fill(story)
    _push_and_lose_the_answer(story)
    _colleague(story)
    _settle(story)
    keeping.play(story)
    _submit(story)


def _sign_in(story: Story) -> None:
    story.step(
        "ผู้ตรวจเข้าสู่ระบบบนโทรศัพท์ ผ่านหน้าเลือกบัญชี ด้วย PKCE",
        "The inspector signs in on the phone, through the provider's page, with PKCE",
    )
    phone = story.people["inspector"] = Caller.phone(story.url, "ผู้ตรวจ")
    way = phone.sign_in("inspector")
    me = phone.get("/v1/me")
    story.equal(me["roles"], ["inspector"], "the roles of the inspector")
    story.equal(me["office"]["provinces"], ["11"], "the provinces of the office")
    story.came_back(" · ".join(way), f"{me['name']}, {me['office']['name_th']}")
    story.facts["inspector"] = me["account"]

    story.step("เพื่อนร่วมทีมเข้าสู่ระบบอีกเครื่อง", "A colleague signs in on another phone")
    colleague = story.people["inspector-2"] = Caller.phone(story.url, "ผู้ตรวจคนที่สอง")
    colleague.sign_in("inspector-2")
    story.facts["colleague"] = colleague.get("/v1/me")["account"]
    story.came_back(colleague.get("/v1/me")["name"])


def _plan(story: Story) -> None:
    story.step(
        "เจ้าหน้าที่ สอจ. ค้นทะเบียนและวางแผนตรวจเพราะมีผู้ร้องเรียน ไม่แจ้งโรงงานล่วงหน้า",
        "A provincial officer finds the factory and plans a visit after a complaint, unannounced",
    )
    desk = story.person("provincial-officer")
    factory = _sample_factory(story, desk)
    visit = str(ids.new())
    plan = {
        "premises": factory,
        "reason": "complaint",
        "announced": False,
        "planned_on": bangkok_date(datetime.now(UTC)).isoformat(),
        "lead": story.facts["inspector"],
        "team": [story.facts["colleague"]],
        "note": "ผู้อยู่อาศัยข้างเคียงแจ้งเรื่องกลิ่น",
    }
    made = desk.ask("PUT", f"/v1/visits/{visit}", plan)
    again = desk.ask("PUT", f"/v1/visits/{visit}", plan)
    story.equal(made["state"], "planned", "the state of the visit")
    story.equal(made["class"], 3, "the class of the factory")
    story.equal(again["version"], made["version"], "the version after the same plan again")
    story.came_back(f"{made['licence_number']}, class 3: planned; sent twice, planned once")
    story.facts |= {"visit": visit, "note": plan["note"], "reason": plan["reason"]}


def _sample_factory(story: Story, desk: Caller) -> str:
    """The site of the company for which the sample operator acts, found by a part of its name."""
    found = desk.get("/v1/factories", q="โลหะ", province="11", licence_class=3)["items"]
    for line in found:
        for licence in desk.get(f"/v1/factories/{line['id']}")["licences"]:
            if licence["operator_name"] == COMPANY:
                story.came_back(f"{len(found)} factories found; {line['name']}")
                return str(line["id"])
    raise NotAsItShould(f"a factory of {COMPANY} should be in the register\n  {found}")


def _pull(story: Story) -> None:
    story.step(
        "ผู้ตรวจดึงงานวันนี้ก่อน แล้วดึงที่เหลือและชุดข้อมูลของการตรวจไว้ใช้เมื่อไม่มีสัญญาณ",
        "The inspector pulls the visits first, then the rest, and the pack of this visit",
    )
    phone, visit = story.people["inspector"], story.facts["visit"]
    visits = phone.pull("visit")
    story.expect(("visit", visit) in phone.records, "the planned visit is in the pull", visits)
    everything = phone.pull()
    nothing = phone.pull()
    story.equal(nothing, 0, "a second pull brings nothing")
    story.expect(len(phone.of_kind("checklist")) == 1, "one checklist was pulled")
    pack = phone.get(f"/v1/visits/{visit}/pack")
    story.facts["checklist"] = Checklist(pack, bangkok_date(datetime.now(UTC)))
    story.came_back(
        f"{visits} visits, then {everything} records in all; pulled again: {nothing}",
        f"pack: checklist version {pack['visit']['checklist']} with "
        f"{len(pack['checklist']['items'])} items, {len(pack['open_findings'])} open findings "
        "of earlier visits",
    )
    colleague = story.people["inspector-2"]
    colleague.pull()
    story.expect(("visit", visit) in colleague.records, "the colleague's phone has the visit too")


def _fill(story: Story) -> None:
    story.step(
        "ไม่มีสัญญาณ: ผู้ตรวจตอบทุกข้อที่ใช้กับโรงงานจำพวก 3 พบ pH ผิดเกณฑ์ ทางหนีไฟถูกขวาง และแรงม้าเกินใบอนุญาต",
        "Without signal: every item that applies to class 3; the pH is wrong, a fire exit is "
        "blocked, the horsepower is above the licence",
    )
    checklist: Checklist = story.facts["checklist"]
    licensed = checklist.subject["horsepower"]
    checklist.answers["H04"] = 4.2
    checklist.answers["E08"] = "fail"
    checklist.answers["A06"] = licensed * 5
    codes = checklist.fill()
    story.equal(checklist.missing(), [], "what is missing in the phone's own judgement")
    story.equal(checklist.failed(), FAILED, "what fails in the phone's own judgement")
    story.equal(checklist.odd(), ODD, "what the phone finds odd")
    story.came_back(
        f"{len(codes)} items answered; failing: "
        + ", ".join(f"{c} = {checklist.answers[c]}" for c in FAILED),
        f"(the licence says {licensed:g} HP); H13 flagged: the register has no licensed flow",
    )


def _push_and_lose_the_answer(story: Story) -> None:
    story.step(
        "สัญญาณกลับมา: ส่งผลแบบบีบอัด แต่สายหลุดก่อนได้อ่านคำตอบ",
        "Signal again: the results are sent compressed, and the line drops before the answer is "
        "read",
    )
    phone, visit = story.people["inspector"], story.facts["visit"]
    checklist: Checklist = story.facts["checklist"]
    began = datetime.now(UTC) - timedelta(hours=1)
    mine = [c for c in checklist.answers if checklist.section(c) not in COLLEAGUES_SECTIONS]
    operations = (
        {"op": "visit.record", "id": str(ids.new()), "visit": visit, "start": _gate(checklist)},
        {
            "op": "visit.record",
            "id": str(ids.new()),
            "visit": visit,
            "answers": checklist.noted(mine, began),
            "outcome": "inspected",
            "representative": {"presence": "signed", "name": "ผู้จัดการ ตัวอย่าง"},
        },
    )
    sent = phone.push_and_lose_the_answer(*operations)
    lost = datetime.now(UTC)
    story.came_back(f"{sent:,} bytes sent for {len(mine)} answers; no answer")

    story.step("ส่งซ้ำ: เซิร์ฟเวอร์รู้ว่าเป็นรายการเดิม", "Sent again: the server knows them")
    results = phone.push(*operations)
    once_more = phone.push(*operations)
    story.equal([r["status"] for r in results], ["stored", "flagged"], f"the results ({results})")
    flags = {f["facts"]["item"]: [f["code"]] for f in results[1]["flags"]}
    story.equal(flags, ODD, "what the server finds odd, as the phone did")
    for result, later in zip(results, once_more, strict=True):
        story.expect(result.get("replayed") is True, "the second answer is a replay", result)
        story.equal(later["receipt"], result["receipt"], "the receipt, once more")
    held = {r["id"]: r for r in phone.get("/v1/sync/receipts")["items"]}
    story.equal(sorted(held), sorted(o["id"] for o in operations), "what the server holds")
    for result in results:
        kept = held[result["id"]]
        story.equal(kept["receipt"], result["receipt"], "the receipt in the list")
        story.expect(
            datetime.fromisoformat(kept["received_at"]) < lost,
            "the operation was received the first time, when the answer was lost",
            kept,
        )
    story.came_back(*(f"{r['status']}, replayed, receipt …{r['receipt'][-12:]}" for r in results))
    story.facts["answers_operation"] = operations[1]["id"]
    story.facts["sent"] = [o["id"] for o in operations]


def _gate(checklist: Checklist) -> dict[str, Any]:
    """The entry two hours ago, at the registered position, in the plant's hours."""
    at = datetime.now(UTC) - timedelta(hours=2)
    opens, closes = (at.astimezone(BANGKOK) + timedelta(hours=h) for h in (-1, 6))
    return {
        "at": at,
        "position": {**checklist.subject["position"], "accuracy_m": 8, "taken_at": at},
        "working_hours": {"start": f"{opens:%H:%M}", "end": f"{closes:%H:%M}"},
    }


def _colleague(story: Story) -> None:
    story.step(
        "เพื่อนร่วมทีมส่งหมวดสภาพแวดล้อมในการทำงานและสวัสดิการ และตอบข้อหนึ่งไม่ตรงกัน",
        "The colleague sends two other sections, and disagrees on one item",
    )
    checklist: Checklist = story.facts["checklist"]
    theirs = [c for c in checklist.answers if checklist.section(c) in COLLEAGUES_SECTIONS]
    answers = checklist.noted(theirs, datetime.now(UTC) - timedelta(minutes=30))
    disputed = {"item": DISPUTED, "value": "fail", "answered_at": datetime.now(UTC)}
    operation = {
        "op": "visit.record",
        "id": str(ids.new()),
        "visit": story.facts["visit"],
        "answers": [*answers, disputed],
    }
    (result,) = story.people["inspector-2"].push(operation)
    story.equal(result["status"], "conflict", "the status")
    story.equal(result["conflicts"], [DISPUTED], "the items in conflict")
    story.came_back(f"{len(theirs)} answers stored; {DISPUTED} in conflict, both kept")
    story.facts["colleagues_operation"] = operation["id"]


def _settle(story: Story) -> None:
    story.step(
        f"หัวหน้าคณะเห็นทั้งสองคำตอบของข้อ {DISPUTED} ลองปุ่มหยุดฉุกเฉินอีกครั้ง แล้วชี้ขาด",
        f"The lead sees both answers to {DISPUTED}, tries the emergency stop again, and settles",
    )
    phone, visit = story.people["inspector"], story.facts["visit"]
    answers = answers_of(_pulled(story, phone, lambda v: len(v["answers"]) > 100))
    story.expect(answers[DISPUTED]["conflict"], "the item is in conflict", answers[DISPUTED])
    both = [answers[DISPUTED], *answers[DISPUTED]["others"]]
    story.equal(sorted(a["value"] for a in both), ["fail", "pass"], "both values stand")
    operation = {
        "op": "visit.settle",
        "id": str(ids.new()),
        "visit": visit,
        "item": DISPUTED,
        "supersedes": [a["operation"] for a in both],
        "value": "pass",
        "answered_at": datetime.now(UTC),
        "reason": "กดทดสอบซ้ำต่อหน้าผู้แทนโรงงาน เครื่องหยุดทันที",
    }
    (refused,) = story.people["inspector-2"].push(operation | {"id": str(ids.new())})
    story.equal(refused["status"], "rejected", "the colleague's own attempt to settle")
    story.equal(refused["problem"]["code"], "inspection/not-lead", "why")
    (result,) = phone.push(operation)
    story.equal(result["status"], "stored", f"the status ({result})")
    story.facts["sent"].append(operation["id"])
    story.came_back(
        f"by the colleague: rejected, {refused['problem']['title_en']}",
        f"by the lead: {result['status']}",
    )


def _submit(story: Story) -> None:
    story.step("หัวหน้าคณะส่งผลการตรวจ", "The lead submits the visit")
    phone, visit = story.people["inspector"], story.facts["visit"]
    operation = {
        "op": "visit.submit",
        "id": str(ids.new()),
        "visit": visit,
        "ended_at": datetime.now(UTC),
    }
    (result,) = phone.push(operation)
    story.equal(result["status"], "stored", f"nothing missing, nothing in conflict ({result})")
    story.facts["sent"].append(operation["id"])
    found = _pulled(story, phone, lambda v: v["state"] == "submitted")
    story.equal(open_items(found), FAILED, "the server's findings are those of the phone")
    story.came_back(f"{found['state']} · findings {', '.join(open_items(found))}")


def _pulled(story: Story, phone: Caller, wanted: Any) -> dict[str, Any]:
    """The visit as the phone has it, pulled until `wanted` is true of it."""
    found: dict[str, Any] = phone.pull_until("visit", story.facts["visit"], wanted)
    return found


def answers_of(visit: dict[str, Any]) -> dict[str, Any]:
    return {answer["item"]: answer for answer in visit["answers"]}


def open_items(visit: dict[str, Any]) -> list[str]:
    """The items with a finding that stands."""
    standing = ("open", "needs_confirmation")
    return sorted(f["item"] for f in visit["findings"] if f["state"] in standing)
