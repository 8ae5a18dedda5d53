"""A card in the reader instead of a photocopy: a real PC/SC service, a virtual card, the bridge."""

from __future__ import annotations

import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from api import ids
from demo.callers import NotAsItShould
from demo.orders import over
from demo.story import Story
from tests.pcsc.people import person
from tests.pcsc.rig import Rig, missing
from tests.pcsc.virtual_card import VirtualCard

NAME = "พีซีหน้าเคาน์เตอร์ (ตัวอย่าง)"
SETTLED_S = 2.5
"""A reader that has only just been seen shows no card as put in afresh."""


def play(story: Story) -> None:
    story.chapter("บัตรในเครื่องอ่าน แทนการถ่ายสำเนา", "A card in the reader, instead of a photocopy")
    if (reason := missing()) is not None:
        print(f"     ข้าม: เครื่องนี้ไม่มี PC/SC จำลอง / skipped, no virtual PC/SC here: {reason}")
        return
    with ExitStack() as stack:
        rig = stack.enter_context(Rig(readers=2))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bridge-")))
        counter = Counter(story, rig, folder)
        stack.callback(counter.close)
        counter.enrol()
        counter.map()
        counter.read()
        counter.serve()
        counter.offline()


class Counter:
    """One desk PC with two readers, each on a desk of its own."""

    def __init__(self, story: Story, rig: Rig, folder: Path) -> None:
        self.story, self.rig, self.folder = story, rig, folder
        self.running: subprocess.Popen[str] | None = None
        self.said: list[str] = []
        self.bridge = ""
        self.desks: list[str] = []

    def close(self) -> None:
        if self.running is not None:
            self.running.terminate()
            self.running.wait(15)

    def enrol(self) -> None:
        story, head = self.story, self.story.person("head")
        story.step(
            "พีซีหน้าเคาน์เตอร์ขอลงทะเบียน แสดงรหัสสั้นกับลายนิ้วมือของกุญแจทั้งสองฝ่าย หัวหน้าเห็นว่าเป็นเครื่องใดแล้วอนุมัติ",
            "A desk PC asks to enrol and shows a short code and a fingerprint over its key and the "
            "server's; the head sees what it is, and approves",
        )
        asking = self._start("enrol", "--server", story.url, "--name", NAME, "--key-in-file")
        code = self._hear(asking, r"\(code\)\s+(\S+)")
        fingerprint = self._hear(asking, r"\(fingerprint\)\s+(.+)$")
        asked = head.post("/v1/bridges/enrolments/look", {"user_code": code})
        path = f"/v1/bridges/enrolments/{asked['id']}/approve"
        wrong = head.post(path, {"name": NAME, "fingerprint": "0000 0000 0000"}, status=409)
        approved = head.post(path, {"name": NAME, "fingerprint": fingerprint[:14]})
        story.equal(asking.wait(30), 0, "the PC's exit code")
        self.bridge = approved["id"]
        self.running = self._start("run")
        seen = story.wait(
            lambda: next((b for b in self._bridges() if b["connected"]), None), "it is connected"
        )
        story.came_back(
            f"code {code}, fingerprint {fingerprint}; another fingerprint: 409 {wrong['code']}",
            f"{seen['name']}: {seen['state']}, key in {seen['key_protection']}, no port opened",
        )

    def map(self) -> None:
        story, head = self.story, self.story.person("head")
        story.step(
            "สองเครื่องอ่าน สองช่อง: เครื่องไหนอยู่ช่องไหน บอกด้วยการเสียบบัตร",
            "Two readers, two desks: which stands where is told by putting a card in",
        )
        office = head.get("/v1/bridges")["items"][0]["office"]
        for number in (1, 2):
            desk, intent = str(ids.new()), str(ids.new())
            head.ask("PUT", f"/v1/desks/{desk}", {"office": office, "name": f"ช่อง {number}"})
            self._wait_for_readers()
            body = {"desk": desk, "purpose": "map_desk", "bridge": self.bridge}
            head.ask("PUT", f"/v1/intents/{intent}", body)
            self._until(head, intent, lambda i: i["step"] == "waiting")
            self.rig.insert(VirtualCard(person(90 + number)), number - 1)
            self._until(head, intent, lambda i: i["state"] == "delivered")
            self.rig.remove(number - 1)
            self.desks.append(desk)
        listed = {d["id"]: d for d in head.get("/v1/desks")["items"]}
        names = [listed[desk]["reader_name"] for desk in self.desks]
        story.expect(len(set(names)) == 2, "each desk has its own reader", names)
        story.came_back(*(f"{listed[d]['name']}: {listed[d]['reader_name']}" for d in self.desks))

    def read(self) -> None:
        story = self.story
        officer, colleague = story.person("provincial-officer"), story.person("inspector-2")
        story.step(
            "เจ้าหน้าที่รอบัตรที่ช่อง 1 ผู้ร้องเสียบบัตร ข้อมูลถึงจอของเจ้าหน้าที่คนนั้นคนเดียว",
            "An officer waits at desk 1, a person puts their card in; the reading reaches that "
            "officer's screen and no other",
        )
        mine = self._arm(officer, 0, "identify_complainant", photo=True)
        theirs = self._arm(colleague, 1, "identify_complainant")
        first, second = person(1), person(2)
        self.rig.insert(VirtualCard(second), 1)
        self.rig.insert(VirtualCard(first), 0)
        got = [self._reading(who, intent) for who, intent in ((officer, mine), (colleague, theirs))]
        story.equal([g["card"]["cid"] for g in got], [first.cid, second.cid], "whose cards")
        story.equal(sorted(got[0]["card"]), ["cid", "name_th"], "no more than was asked for")
        colleague.get(f"/v1/readings/{got[0]['id']}", status=404)
        photo = story.wait(lambda: self._photo(officer, got[0]["id"]), "the photograph")
        for reader in (0, 1):
            self.rig.remove(reader)
        story.came_back(
            f"{got[0]['card']['name_th']['first']} at desk 1, two cards at once and none mixed",
            f"proven: {', '.join(got[0]['levels'])}; photograph {photo} bytes, shown and not kept",
            "the colleague asks for it: 404",
        )

    def serve(self) -> None:
        story, inspector = self.story, self.story.person("inspector-2")
        story.step(
            "แจ้งคำสั่งแก่กรรมการที่มาถึงเคาน์เตอร์: อ่านบัตร เทียบใบหน้า บันทึกฐานะ หลักฐานใช้ได้ครั้งเดียว",
            "An order is served on the director who has come: the card is read, the face compared, "
            "the capacity recorded; the proof counts once",
        )
        order = self._order()
        lying = VirtualCard(person(3))
        self.rig.insert(lying, 1)  # left there by the last one
        intent = self._arm(inspector, 1, "serve_order", about=order, step="take_card_out")
        self.rig.remove(1)
        self._until(inspector, intent, lambda i: i["step"] == "waiting")
        self.rig.insert(VirtualCard(person(4)), 1)
        reading = self._reading(inspector, intent)
        story.equal(reading["card"]["cid"], person(4).cid, "the card that was put in afresh")
        face = {"matches": True, "against": "printed"}
        inspector.post(f"/v1/readings/{reading['id']}/face-match", face)
        attempt = {
            "how": "personal",
            "at": datetime.now(UTC),
            "place": "เคาน์เตอร์ สำนักงานอุตสาหกรรมจังหวัด",
            "proof": {"type": "card", "reading": reading["id"], "capacity": "director"},
        }
        path = f"/v1/orders/{order}/service"
        served = inspector.ask("PUT", f"{path}/{ids.new()}", attempt)
        twice = inspector.ask("PUT", f"{path}/{ids.new()}", attempt, status=409)
        state = inspector.get(f"/v1/orders/{order}")["state"]
        story.equal((state, served["reading"]), ("served", reading["id"]), "the order")
        self.rig.remove(1)
        story.came_back(
            f"served, proven by {' + '.join(served['levels'])}",
            f"the same reading once more: 409 {twice['code']}",
            "a card that lay there from before: first to be taken out, and never read",
        )

    def offline(self) -> None:
        story, officer = self.story, self.story.person("provincial-officer")
        story.step(
            "แม่ข่ายหายไป: อ่านบัตรด้วยตั๋วที่ขอไว้ก่อน เก็บปิดผนึกในเครื่อง กลับมาแล้วส่งเอง และระบุว่าออฟไลน์",
            "The server is away: a card is read by a ticket asked for before, kept sealed on the "
            "PC, sent by itself when the server is back, and labelled offline",
        )
        body = {"desk": self.desks[0], "purpose": "identify_complainant", "count": 1}
        officer.post("/v1/offline-tickets", body, status=201)
        story.wait(lambda: "identify_complainant" in self._said("offline-read", "--list"), "ticket")
        whose = person(5)
        with story.server_away():
            reading = self._start("offline-read", "--ticket", "1")
            self._hear(reading, "(put the card in now)")
            threading.Event().wait(0.3)
            self.rig.insert(VirtualCard(whose), 0)
            kept = self._hear(reading, r"kept as number (\d+)")
            story.equal(reading.wait(30), 0, "the PC's exit code")
            story.expect(str(whose.cid) not in "".join(self.said), "the number is shown nowhere")
            waiting = re.search(r"\(waiting\) (\d+)", self._said("status"))
            story.equal(waiting and waiting[1], "1", "statements that wait on the PC")
        self.rig.remove(0)
        found = story.wait(self._came_offline, "what was read without the server")
        held = officer.get(f"/v1/readings/{found['id']}")
        story.equal((held["card"]["cid"], held["label"]), (whose.cid, "offline"), "the reading")
        story.came_back(
            f"read while the server was away, statement {kept}; then sent by itself",
            f"label {held['label']}, proven: {', '.join(held['levels'])}",
        )

    def _came_offline(self) -> Any:
        items = self.story.person("provincial-officer").get("/v1/readings")["items"]
        return next((item for item in items if item["label"] == "offline"), None)

    def _said(self, *command: str) -> str:
        program = self._start(*command)
        out, _ = program.communicate(timeout=30)
        return out

    # -- what the steps share --------------------------------------------------------------------

    def _order(self) -> str:
        """An urgent order about the factory of this demo, signed by the head."""
        head, inspector = self.story.person("head"), self.story.person("inspector-2")
        site = inspector.get(f"/v1/visits/{self.story.facts['visit']}")
        order, path = str(ids.new()), ""
        content = {
            "facts": "ถังสารเคมีรั่วซึมใกล้แหล่งความร้อน",
            "law": ["พระราชบัญญัติโรงงาน พ.ศ. 2535 มาตรา 37 วรรคหนึ่ง"],
            "reasons": "อาจเกิดอันตรายร้ายแรงต่อคนงาน",
            "measures": "ย้ายถังและซ่อมรอยรั่ว",
            "days": 7,
            "hearing": {"type": "urgent", "reason": "รอช้าจะเกิดอันตราย"},
            "appeal": "ให้อุทธรณ์ต่อรัฐมนตรีว่าการกระทรวงอุตสาหกรรมภายใน 30 วัน (มาตรา 41)",
        }
        body = {
            "kind": "correct",
            "basis": "danger",
            "premises": site["premises"],
            "licence": site["licence"],
            "content": content,
        }
        path = f"/v1/orders/{order}"
        inspector.ask("PUT", path, body)
        view = head.get(f"{path}/signing")
        self.story.equal(view["missing"], [], "what the order still lacks")
        ticket = head.ticket_for("head", view["sha256"])
        signature = {"signature": over(view["sha256"], ticket)}
        head.post(f"{path}/sign", signature, version=head.get(path)["version"])
        return order

    def _arm(self, who: Any, desk: int, purpose: str, *, step: str = "waiting", **more: Any) -> str:
        intent = str(ids.new())
        body = {"desk": self.desks[desk], "purpose": purpose} | more
        who.ask("PUT", f"/v1/intents/{intent}", body)
        self._until(who, intent, lambda i: i["step"] == step)
        return intent

    def _until(self, who: Any, intent: str, found: Callable[[Any], bool]) -> Any:
        def look() -> Any:
            seen = who.get(f"/v1/intents/{intent}")
            return seen if found(seen) else None

        return self.story.wait(look, "what was waited for at the desk")

    def _reading(self, who: Any, intent: str) -> Any:
        delivered = self._until(who, intent, lambda i: i["state"] == "delivered")
        return who.get(f"/v1/readings/{delivered['reading']}")

    def _photo(self, who: Any, reading: str) -> int:
        headers = {"Authorization": f"Bearer {who.access}"}
        answer = who.http.get(f"/v1/readings/{reading}/photo", headers=headers)
        return len(answer.content) if answer.status_code == 200 else 0

    def _bridges(self) -> list[Any]:
        found: list[Any] = self.story.person("head").get("/v1/bridges")["items"]
        return [b for b in found if b["id"] == self.bridge]

    def _wait_for_readers(self) -> None:
        head = self.story.person("head")
        self.story.wait(
            lambda: sum(r["seen"] for r in head.get("/v1/readers")["items"]) == 2, "two readers"
        )
        threading.Event().wait(SETTLED_S if not self.desks else 0)

    def _start(self, *command: str) -> subprocess.Popen[str]:
        return self.rig[0].start("-m", "reader_bridge", "--folder", str(self.folder), *command)

    def _hear(self, program: subprocess.Popen[str], pattern: str) -> str:
        """What a line of the program says; its earlier lines are looked at first."""
        for line in chain(list(self.said), self._lines(program)):
            if (found := re.search(pattern, line.strip())) is not None:
                return found[1].strip()
        raise NotAsItShould(f"the bridge says {pattern}\n  but: {''.join(self.said)}")

    def _lines(self, program: subprocess.Popen[str]) -> Iterator[str]:
        assert program.stdout is not None
        for line in program.stdout:
            self.said.append(line)
            yield line
