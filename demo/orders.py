"""From the findings to an order: signed, served, disobeyed, corrected, and at its end."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec

from api import ids
from api.clock import bangkok_date
from demo.keeping import drawn
from demo.photographs import uploaded
from demo.story import Story


def play(story: Story) -> None:
    story.chapter("คำสั่งตามกฎหมาย", "The legal order")
    _authority(story)
    _draft(story)
    _sign(story)
    _document(story)
    _serve(story)
    _company(story)
    _overdue(story)
    _breach(story)
    _follow_up(story)
    _case_file(story)
    _messages(story)


def _authority(story: Story) -> None:
    story.step(
        "ผู้ดูแลระบบบันทึกคำสั่งแต่งตั้งให้อุตสาหกรรมจังหวัดลงนามตามมาตรา 37 ได้ในพื้นที่ของตน",
        "The administrator records the appointment that lets the provincial head sign under s.37, "
        "in their own area",
    )
    head = story.person("head")
    account = head.get("/v1/me")["account"]
    grant = {
        "account": account,
        "power": "sign_order",
        "section": "37",
        "instrument": "คำสั่งกระทรวงอุตสาหกรรม (ตัวอย่าง) ที่ 1/2569",
        "valid_from": str(bangkok_date(datetime.now(UTC)) - timedelta(days=30)),
        "area": ["11"],
    }
    administrator = story.person("administrator")
    given = administrator.ask("PUT", f"/v1/authorities/{ids.new()}", grant)
    story.came_back(f"{given['power']}, s.{given['section']}, area {given['area']}")


def _draft(story: Story) -> None:
    story.step(
        "ผู้ตรวจคนที่สองร่างคำสั่งจากข้อบกพร่องที่ยืนยันแล้ว ระบบบอกว่ายังขาดอะไร",
        "The second inspector drafts an order from the confirmed findings; the system says what is "
        "still missing",
    )
    desk, visit = story.person("inspector-2"), story.facts["visit"]
    seen = desk.get(f"/v1/visits/{visit}")
    content: dict[str, Any] = {
        "facts": "ทางหนีไฟถูกกั้น แรงม้าเกินใบอนุญาต และน้ำทิ้งมีค่า pH เกินมาตรฐาน",
        "law": ["พระราชบัญญัติโรงงาน พ.ศ. 2535 มาตรา 37 วรรคหนึ่ง"],
        "reasons": "ปล่อยไว้อาจเกิดอันตรายแก่คนงานและผู้อยู่อาศัยใกล้เคียง",
        "required": [
            {"finding": f["id"], "required": f"แก้ไขข้อ {f['item']} ให้ถูกต้องตามกฎหมาย"}
            for f in seen["findings"]
            if f["state"] == "open"
        ],
        "days": 30,
    }
    order = str(ids.new())
    body = {
        "kind": "correct",
        "premises": seen["premises"],
        "licence": seen["licence"],
        "visit": visit,
        "content": content,
    }
    drafted = desk.ask("PUT", f"/v1/orders/{order}", body)
    again = desk.ask("PUT", f"/v1/orders/{order}", body)
    story.equal(again["version"], drafted["version"], "a draft sent twice is one")
    lacking = [m["code"] for m in desk.get(f"/v1/orders/{order}/signing")["missing"]]
    story.equal(lacking, ["appeal", "hearing", "authority"], "what is missing")
    content["appeal"] = (
        "หากไม่เห็นด้วย ให้อุทธรณ์ต่อรัฐมนตรีว่าการกระทรวงอุตสาหกรรมภายใน 30 วันนับแต่วันที่ทราบคำสั่ง (มาตรา 41)"
    )
    content["hearing"] = {
        "type": "heard",
        "heard_on": str(bangkok_date(datetime.now(UTC))),
        "said": "รับว่าจะย้ายสิ่งกีดขวางและแก้ไขระบบบำบัด",
    }
    whole = desk.ask("PUT", f"/v1/orders/{order}/content", content, version=drafted["version"])
    missing = story.person("head").get(f"/v1/orders/{order}/signing")["missing"]
    story.equal(missing, [], "what is missing for the head, once it is written")
    story.facts["order"] = order
    story.came_back(
        f"missing: {', '.join(lacking)}; nothing for the head, once the words are there",
        f"{len(content['required'])} findings, 30 days; version {whole['version']}",
    )


def _sign(story: Story) -> None:
    story.step(
        "ผู้ไม่มีอำนาจลงนามไม่ได้ อุตสาหกรรมจังหวัดยืนยันตัวตนใหม่ต่อข้อความที่เห็นทุกตัวอักษร แล้วลงนาม",
        "Without authority nobody signs; the head authenticates anew over every letter of what "
        "they are shown, and signs",
    )
    desk, head, order = story.person("inspector-2"), story.person("head"), story.facts["order"]
    path = f"/v1/orders/{order}"
    version = head.get(path)["version"]
    view = head.get(f"{path}/signing")
    story.equal(
        hashlib.sha256(view["shown"].encode()).hexdigest(),
        view["sha256"],
        "the hash of what is shown",
    )
    ticket = desk.ticket_for("inspector-2", view["sha256"])
    theirs = {"signature": over(desk.get(f"{path}/signing")["sha256"], ticket)}
    refused = desk.post(f"{path}/sign", theirs, version=version, status=403)
    ticket = head.ticket_for("head", view["sha256"])
    mine = {"signature": over(view["sha256"], ticket)}
    signed = head.post(f"{path}/sign", mine, version=version)
    story.equal(signed["state"], "signed", "the state")
    twice = head.post(f"{path}/sign", mine, version=signed["version"], status=409)
    story.facts["number"], story.facts["document"] = signed["number"], signed["document"]
    story.came_back(
        f"by the inspector: 403 {refused['code']}",
        f"by the head: No. {signed['number']}, SHA-256 {view['sha256'][:16]}…",
        f"the same ticket again: 409 {twice['code']}",
    )


def over(sha256: str, ticket: str) -> dict[str, str]:
    return {"type": "fresh_authentication", "sha256": sha256, "ticket": ticket}


def _document(story: Story) -> None:
    story.step(
        "คำสั่งเป็นเอกสาร PDF ใครก็ตรวจสอบได้จากรหัสบนกระดาษ ว่ามีจริง ยังมีผล และไม่ถูกแก้",
        "The order is a PDF; anyone can check by the code on the paper that it exists, is in force "
        "and unchanged",
    )
    head, id = story.person("head"), story.facts["document"]
    document = head.get(f"/v1/documents/{id}")
    shown = msgspec.json.decode(document["content"])["content"]["photographs"]
    story.equal(
        [p["evidence"] for p in shown], [story.facts["evidence"]], "the photographs it rests on"
    )
    pdf = story.wait(lambda: _pdf(head, id), "the worker renders the PDF")
    public = httpx.Client(base_url=story.url, timeout=30)
    digest = hashlib.sha256(pdf).hexdigest()
    told = public.get(f"/v1/verify/{document['code']}", params={"sha256": digest}).json()
    story.expect(story.facts["number"] in str(told), "the public answer names the number", told)
    changed = hashlib.sha256(pdf[:-1] + b"?").hexdigest()
    other = public.get(f"/v1/verify/{document['code']}", params={"sha256": changed}).json()
    story.expect(told != other, "a changed file is told from the true one", other)
    story.facts["code"] = document["code"]
    story.came_back(
        f"{len(pdf) // 1000} kB, code {document['code']}, photograph {shown[0]['sha256'][:16]}…",
        f"verified: {told}"[:300],
    )


def _pdf(head: Any, id: str) -> bytes | None:
    answer = head.http.get(
        f"/v1/documents/{id}/pdf", headers={"Authorization": f"Bearer {head.access}"}
    )
    return answer.content if answer.status_code == 200 else None


def _serve(story: Story) -> None:
    story.step(
        "ผู้ตรวจไปแจ้งคำสั่ง ครั้งแรกไม่พบใคร ครั้งที่สองผู้จัดการลงชื่อรับ เวลานับทันที",
        "The inspector goes to serve it: nobody is there; the second time the manager signs, and "
        "the time runs at once",
    )
    desk, order = story.person("inspector-2"), story.facts["order"]
    now = datetime.now(UTC)
    missed = {"how": "not_found", "at": now, "place": "ที่ตั้งโรงงาน"}
    first = desk.ask("PUT", f"/v1/orders/{order}/service/{ids.new()}", missed)
    story.equal(first["counts_at"], None, "a failed attempt")
    operator = story.person("operator")
    operator.get(f"/v1/company-orders/{order}", status=404)
    met = {
        "how": "personal",
        "at": now,
        "place": "ที่ตั้งโรงงาน",
        "proof": {
            "type": "signature",
            "name": "นายตัวอย่าง ผู้จัดการโรงงาน",
            "evidence": uploaded(story, desk, drawn(3)),
        },
    }
    second = desk.ask("PUT", f"/v1/orders/{order}/service/{ids.new()}", met)
    seen = desk.get(f"/v1/orders/{order}")
    story.equal(seen["state"], "served", "the state")
    story.expect("ผู้จัดการ" not in str(seen), "who received it is sealed", seen["attempts"])
    refused = desk.post(f"/v1/orders/{order}/service/{second['id']}/proof", status=403)
    opened = story.person("head").post(f"/v1/orders/{order}/service/{second['id']}/proof")
    story.equal(opened["proof"]["name"], "นายตัวอย่าง ผู้จัดการโรงงาน", "the name, opened")
    story.came_back(
        f"attempts: {', '.join(a['how'] for a in seen['attempts'])}; served",
        f"to correct by {seen['due_at'][:10]}, to appeal by {seen['appeal_until'][:10]}",
        f"who received it: 403 {refused['code']} for the inspector, opened for the head",
    )


def _company(story: Story) -> None:
    story.step(
        "โรงงานเห็นคำสั่งที่แจ้งแล้ว แจ้งว่าแก้ไขแล้ว โรงงานอื่นไม่เห็น",
        "The factory sees the order that was served and says that it has corrected; another "
        "company sees nothing",
    )
    operator, order = story.person("operator"), story.facts["order"]
    path = f"/v1/company-orders/{order}"
    seen = operator.get(path)
    story.equal(seen["number"], story.facts["number"], "the number")
    pulled = operator.pull_until("company_order", order, lambda o: o["state"] == "served")
    story.expect("drafted_by" not in pulled, "no officer is named in it", sorted(pulled))
    claim = f"{path}/corrections/{ids.new()}"
    for _ in range(2):
        said = operator.ask("PUT", claim, {"note": "ย้ายสิ่งกีดขวางแล้ว"})
    story.equal(len(said["claims"]), 1, "what was sent twice is said once")
    missing = story.person("stranger").get(path, status=404)
    story.came_back(
        f"{len(seen['findings'])} things to do by {seen['due_at'][:10]}",
        f"another company: 404 {missing['code']}",
    )


def _overdue(story: Story) -> None:
    story.step(
        "ปฏิทินของการสาธิตเดินไปจนพ้นกำหนด เวลาเดินเอง ไม่ต้องมีใครเปิดดู",
        "The demo's calendar moves past the day: the clock runs by itself, nobody has to look",
    )
    head, order = story.person("head"), story.facts["order"]
    path = f"/v1/orders/{order}"
    early = {"wilful": True, "serious_danger": False, "reasons": "-"}
    refused = head.post(f"{path}/breach", early, version=head.get(path)["version"], status=409)
    story.turn_calendar(order, days=32)
    late = story.wait(
        lambda: (o := head.get(path))["state"] == "overdue" and o, "the worker fires the clock"
    )
    story.came_back(f"before: 409 {refused['code']}", f"after: {late['state']}")


def _breach(story: Story) -> None:
    story.step(
        "อุตสาหกรรมจังหวัดวินิจฉัยว่าฝ่าฝืนแต่ไม่จงใจ จึงยังไม่เข้ามาตรา 39",
        "The head judges it a breach, but not a wilful one: s.39 does not follow by itself",
    )
    head, order = story.person("head"), story.facts["order"]
    path = f"/v1/orders/{order}"
    judged = {"wilful": False, "serious_danger": False, "reasons": "รออะไหล่จากต่างประเทศ"}
    breached = head.post(f"{path}/breach", judged, version=head.get(path)["version"])
    story.equal(breached["state"], "breached", "the state")
    seen = head.get(path)
    stop = {
        "kind": "stop",
        "premises": seen["premises"],
        "licence": seen["licence"],
        "follows": order,
        "content": {"facts": "ไม่แก้ไขภายในกำหนด"},
    }
    drafted = head.ask("PUT", f"/v1/orders/{ids.new()}", stop)
    lacking = [m["code"] for m in head.get(f"/v1/orders/{drafted['id']}/signing")["missing"]]
    story.expect("s39" in lacking, "what a stop would need", lacking)
    dropped = {"why": "ไม่เข้าเงื่อนไข"}
    head.post(f"/v1/orders/{drafted['id']}/discard", dropped, version=drafted["version"])
    story.came_back(
        f"breached: {breached['breach']['penalty']}",
        "a stop under s.39 cannot be signed: neither wilful nor seriously dangerous",
    )


def _follow_up(story: Story) -> None:
    story.step(
        "ตรวจติดตาม: เจ้าหน้าที่ยืนยันการแก้ไขทีละข้อ ข้อสุดท้ายทำให้คำสั่งสิ้นสุด",
        "The follow-up: each finding is verified; with the last one the order is at its end",
    )
    desk, order, visit = story.person("inspector-2"), story.facts["order"], story.facts["visit"]
    head = story.person("head")
    seen = desk.get(f"/v1/orders/{order}")
    follow_up = str(ids.new())
    lead = desk.get("/v1/me")["account"]
    plan = {
        "premises": seen["premises"],
        "licence": seen["licence"],
        "reason": "follow_up",
        "follows": visit,
        "planned_on": str(bangkok_date(datetime.now(UTC))),
        "lead": lead,
    }
    head.ask("PUT", f"/v1/visits/{follow_up}", plan)
    pack = desk.get(f"/v1/visits/{follow_up}/pack")
    carried = sorted(f["item"] for f in pack["open_findings"])
    story.equal(carried, sorted(f["item"] for f in seen["findings"]), "what the follow-up carries")
    now = datetime.now(UTC)
    (begun,) = desk.push(
        {"op": "visit.record", "id": str(ids.new()), "visit": follow_up, "start": {"at": now}}
    )
    story.expect(begun["status"] in ("stored", "flagged"), "the follow-up has begun", begun)
    for finding in seen["findings"]:
        done = desk.post(
            f"/v1/orders/{order}/findings/{finding['finding']}/verify",
            {"visit": follow_up, "corrected": True},
        )
    story.equal(done["state"], "complied", "the state after the last one")
    findings = head.get(f"/v1/visits/{visit}")["findings"]
    states = {f["state"] for f in findings if f["item"] in carried}
    story.equal(states, {"resolved"}, "the findings")
    public = httpx.get(f"{story.url}/v1/verify/{story.facts['code']}").json()
    story.expect("fulfilled" in str(public), "the public answer says so too", public)
    story.came_back(
        f"{', '.join(carried)}: verified", f"order {story.facts['number']}: {done['state']}"
    )


def _case_file(story: Story) -> None:
    story.step(
        "สำนวนทั้งเรื่องเป็นเอกสารเดียวที่ลงลายมือชื่อ สำหรับศาลหรือผู้ตรวจการแผ่นดิน",
        "The whole matter as one signed document, for a court or the Ombudsman",
    )
    head, order = story.person("head"), story.facts["order"]
    issued = head.post(f"/v1/orders/{order}/case-file", status=201)
    content = msgspec.json.decode(issued["content"])["content"]
    names = {e["name"] for e in content["events"]}
    wanted = {"visit.planned", "visit.accepted", "order.signed", "order.served", "order.complied"}
    story.expect(wanted <= names, "every station is in it", sorted(names))
    story.expect("ผู้จัดการโรงงาน" not in str(content), "who received the order is not named in it")
    story.equal(len(content["signatures"]), 1, "the drawn signature of who received it")
    (sample,) = content["samples"]
    story.equal(len(sample["links"]), 2, "the chain of the sample")
    pdf = story.wait(lambda: _pdf(head, issued["id"]), "the worker renders the case file")
    story.came_back(
        f"{len(content['events'])} events, {len(content['clocks'])} clocks, "
        f"{len(content['documents'])} documents, {len(content['officers'])} officers",
        f"{len(pdf) // 1000} kB, code {issued['code']}",
    )


def _messages(story: Story) -> None:
    story.step(
        "ทุกคนที่ต้องทำอะไรได้รับข้อความ ในกล่องข้อความและในโทรศัพท์",
        "Whoever must act was told, in the inbox and with the pull",
    )
    for key, wanted in (
        ("inspector-2", {"order.signed", "order.correction_claimed", "order.overdue"}),
        ("operator", {"order.served", "order.breached", "order.complied"}),
        ("head", {"visit.submitted", "order.overdue"}),
    ):
        person = story.person(key)
        came = story.wait(
            lambda person=person, wanted=wanted: (  # type: ignore[misc]
                (items := person.get("/v1/messages")["items"])
                and wanted <= {m["template"] for m in items}
                and items
            ),
            f"{key} is told",
        )
        unread = person.get("/v1/messages/unread")["unread"]
        story.came_back(f"{key}: {unread} unread, the latest: {came[0]['title']}")
