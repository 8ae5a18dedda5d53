"""Who sees what afterwards; what the receipts prove; what becomes of a lost phone."""

from __future__ import annotations

from typing import Any

import jwt
import msgspec

from api import ids
from demo.callers import Caller
from demo.day import FAILED
from demo.filling import Checklist
from demo.story import Story


def play(story: Story) -> None:
    story.chapter("ใครเห็นอะไร", "Who sees what")
    _factory(story)
    _stranger(story)
    _auditor(story)
    _receipts(story)
    _lost_phone(story)


def _factory(story: Story) -> None:
    story.step(
        "บัญชีของโรงงานเห็นการตรวจและข้อบกพร่อง แต่ไม่เห็นเหตุที่ตรวจและข้อลับ",
        "The factory's account sees the visit and its findings, not why it was made, nor anything "
        "confidential",
    )
    operator, visit = story.person("operator"), story.facts["visit"]
    listed = operator.get("/v1/company/visits")["items"]
    known = story.facts["known_before"]
    new = [v["id"] for v in listed if v["id"] not in known]
    story.equal(len(new), 1, "how many visits the company knows of more than before")
    story.expect(visit not in _text(listed), "the officers' id, which tells when, is not shown")
    story.facts["shown_as"] = new[0]
    shown = operator.get(f"/v1/company/visits/{new[0]}")
    story.equal(sorted(f["item"] for f in shown["findings"]), FAILED, "the findings shown")
    pulled = operator.pull_until("company_visit", new[0], lambda v: v["state"] == "accepted")
    checklist: Checklist = story.facts["checklist"]
    confidential = [i.code for i in checklist.standard.items if i.confidential]
    story.expect(confidential != [], "the checklist has confidential items")
    secrets = [
        story.facts["reason"],
        story.facts["note"],
        story.facts["inspector"],
        *(str(checklist.answers[code]) for code in confidential),
    ]
    everything = [listed, shown, pulled, list(operator.records.values())]
    story.expect(
        not [s for s in secrets if s in _text(everything)],
        "nothing of it tells the reason, the officers' note, the officers or a confidential answer",
        shown,
    )
    kinds = sorted({kind for kind, _ in operator.records})
    story.expect("visit" not in kinds, "the officers' record never reaches the factory", kinds)
    operator.get(f"/v1/visits/{visit}", status=403)
    for finding in shown["findings"]:
        story.came_back(f"{finding['item']} {finding['text_th']}: {finding['legal_ref']}")
    story.came_back(f"fields: {', '.join(sorted(shown))}", f"pulled kinds: {', '.join(kinds)}")


def _stranger(story: Story) -> None:
    story.step("บัญชีของโรงงานอื่นไม่เห็นเลย", "Another factory's account sees nothing of it")
    stranger, visit = story.person("stranger"), story.facts["shown_as"]
    listed = stranger.get("/v1/company/visits")["items"]
    story.equal(listed, [], "the visits of the other company")
    missing = stranger.get(f"/v1/company/visits/{visit}", status=404)
    never = stranger.get(f"/v1/company/visits/{ids.new()}", status=404)
    stranger.pull()
    story.expect(visit not in _text(list(stranger.records.values())), "its pull has no trace of it")
    for answer in (missing, never):
        answer.pop("request_id")
        answer.pop("visit", None)
    story.equal(missing, never, "the answer, as for a visit that does not exist")
    story.came_back("an empty list", f"404 {missing['code']}, as for a visit that does not exist")


def _auditor(story: Story) -> None:
    story.step("ผู้ตรวจสอบอ่านได้ทุกอย่าง แต่เขียนไม่ได้", "The auditor reads, and can write nothing")
    auditor, visit = story.person("auditor"), story.facts["visit"]
    found = auditor.get(f"/v1/visits/{visit}")
    path = f"/v1/visits/{visit}"
    refused = [
        auditor.post(f"{path}/close", {}, version=found["version"], status=403),
        auditor.post(f"/v1/findings/{found['findings'][0]['id']}/confirm", version=1, status=403),
        auditor.post("/v1/sync", {"operations": []}, status=403),
    ]
    story.equal({r["code"] for r in refused}, {"ground/not-allowed"}, "what is answered to writes")
    after = auditor.get(path)
    story.equal(after["version"], found["version"], "the version, unchanged")
    story.came_back(
        f"200: {len(found['answers'])} answers, {len(found['findings'])} findings",
        f"{len(refused)} writes tried: 403 {refused[0]['code']}",
    )


def _receipts(story: Story) -> None:
    story.step(
        "โทรศัพท์ตรวจลายเซ็นของใบรับทุกใบด้วยกุญแจสาธารณะ ก่อนลบสำเนาของตน",
        "The phone verifies the signature of every receipt with the public keys, before it deletes "
        "its own copies",
    )
    phone = story.people["inspector"]
    keys = {k["kid"]: k for k in phone.http.get("/.well-known/jwks.json").json()["keys"]}
    held = [_opened(r["receipt"], keys) for r in phone.get("/v1/sync/receipts")["items"]]
    story.equal(
        sorted(r["operation"] for r in held),
        sorted(story.facts["sent"]),
        "what the server has signed for: everything that this inspector sent",
    )
    receipt = phone.get("/v1/sync/receipts")["items"][0]["receipt"]
    head, body, signature = receipt.split(".")
    forged = f"{head}.{body[:-2]}{'AA' if body[-2:] != 'AA' else 'BB'}.{signature}"
    story.expect(not _verifies(forged, keys), "a receipt that was changed does not verify")
    story.came_back(
        f"{len(held)} receipts, all signed by a key of the server",
        "one with two letters changed does not verify",
    )


def _lost_phone(story: Story) -> None:
    story.step(
        "โทรศัพท์หาย ผู้ตรวจแจ้งจากคอมพิวเตอร์ เครื่องที่หายถูกสั่งให้ล้างข้อมูลเมื่อติดต่อครั้งถัดไป",
        "The phone is lost: reported from a desk, it is told to wipe itself at its next contact",
    )
    phone = story.people["inspector"]
    desk = Caller.desk(story.url, "ผู้ตรวจ")
    desk.sign_in("inspector")
    mine = desk.get("/v1/sessions")["items"]
    (lost,) = [s for s in mine if s["device_name"] == phone.device]
    desk.ask("DELETE", f"/v1/sessions/{lost['id']}", status=204)
    told = phone.get("/v1/sync", status=401)
    story.equal(told["code"], "accounts/device-wiped", "what the phone is told")
    push = phone.post("/v1/sync", {"operations": []}, status=401)
    story.equal(push["code"], "accounts/device-wiped", "what a push is told")
    renewed = phone.renew()
    story.equal(renewed.status_code, 400, "a refresh with the lost phone's token")
    story.equal(renewed.json()["code"], "accounts/device-wiped", "what it is told")
    (now,) = [s for s in desk.get("/v1/sessions")["items"] if s["id"] == lost["id"]]
    story.equal(now["end_reason"], "lost_device", "why the session ended")
    story.equal(desk.get("/v1/me")["roles"], ["inspector"], "the desk goes on")
    story.came_back(f"401 {told['code']}: {told['title']}", "the desk is still signed in")


def _opened(receipt: str, keys: dict[str, Any]) -> dict[str, Any]:
    """The content of a receipt whose signature is right (RFC 7515). Raises `jwt.PyJWTError`."""
    key = jwt.PyJWK(keys[jwt.get_unverified_header(receipt)["kid"]])
    content: dict[str, Any] = msgspec.json.decode(
        jwt.api_jws.decode(receipt, key, algorithms=["EdDSA"])
    )
    return content


def _verifies(receipt: str, keys: dict[str, Any]) -> bool:
    try:
        _opened(receipt, keys)
    except jwt.PyJWTError:
        return False
    return True


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
