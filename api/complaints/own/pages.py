"""The public page `/track`: what becomes of my complaint, with the code alone.

Thai first, for a phone. The code travels in a header, never in an address: a scan brings it behind
`#`, and the page removes it from there. Nothing is kept in the browser.
"""

from __future__ import annotations

TRACK = """<!doctype html>
<html lang="th"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ติดตามเรื่องร้องเรียน – กระทรวงอุตสาหกรรม</title>
<link rel="stylesheet" href="/track/page.css">
<main>
<h1>ติดตามเรื่องร้องเรียน <small lang="en">Follow a complaint</small></h1>
<form id="form">
<label for="code">รหัสติดตาม 27 ตัวบนใบรับเรื่อง
<small lang="en">The 27 characters on your slip</small></label>
<textarea id="code" rows="2" autocomplete="off" autocapitalize="characters" spellcheck="false"
 placeholder="0000-0000-0000-0000-0000-0000-000" required></textarea>
<button>ดูเรื่องของฉัน <small lang="en">Show</small></button>
</form>
<p id="notice" role="status" aria-live="polite" hidden></p>
<section id="complaint" hidden>
<h2 id="status"></h2>
<dl id="facts"></dl>
<div id="said"></div>
<form id="say" hidden>
<label for="text" id="say-label"></label>
<textarea id="text" rows="4" maxlength="8000" required></textarea>
<button>ส่ง <small lang="en">Send</small></button>
</form>
<form id="again" hidden>
<h3>เกิดขึ้นอีก <small lang="en">It happens again</small></h3>
<p class="scale" id="strength" role="group" aria-label="ความรุนแรง 1 ถึง 5"></p>
<p class="hint"><span>แทบไม่รู้สึก <small lang="en">hardly</small></span>
<span>ทนไม่ไหว <small lang="en">unbearable</small></span></p>
</form>
<form id="rate" hidden>
<h3>ปัญหาแก้ไขแล้วหรือไม่ <small lang="en">Is it solved?</small></h3>
<p class="choice"><label><input type="radio" name="solved" value="yes" required> แก้แล้ว
<small lang="en">Yes</small></label>
<label><input type="radio" name="solved" value="no"> ยังไม่แก้ <small lang="en">No</small></label></p>
<p id="reopens" hidden>หากยังไม่แก้ เรื่องจะถูกเปิดใหม่
<small lang="en">If it is not solved, it is opened again.</small></p>
<label for="stars">ให้คะแนนการดำเนินการ 1–5
<small lang="en">How well was it dealt with?</small></label>
<select id="stars"><option value="">–<option>5<option>4<option>3<option>2<option>1</select>
<button>ส่งความเห็น <small lang="en">Send</small></button>
</form>
<form id="reopen" hidden>
<label for="why">ยังไม่ได้รับการแก้ไข ขอเปิดเรื่องใหม่ เพราะ
<small lang="en">Not solved: open it again, because</small></label>
<textarea id="why" rows="3" maxlength="8000" required></textarea>
<button>ขอเปิดเรื่องใหม่ <small lang="en">Reopen</small></button>
</form>
<form id="withdraw" hidden>
<button class="plain">ยกเลิกเรื่อง <small lang="en">Withdraw</small></button>
</form>
</section>
<noscript><p>หน้านี้ต้องใช้ JavaScript หากใช้ไม่ได้ กรุณาโทรถึงสำนักงานและอ่านรหัสให้เจ้าหน้าที่ฟัง<br>
<small lang="en">This page needs JavaScript; else telephone the office with the code.</small></p>
</noscript>
</main>
<script src="/track/page.js"></script>
"""

STYLE = """body{font:1.05rem/1.7 system-ui,sans-serif;color:#1c2733;margin:0}
main{max-width:34rem;margin:0 auto;padding:1.2rem}
[hidden]{display:none!important}
h1{font-size:1.45rem}h2{font-size:1.25rem;margin:.2rem 0 .8rem}h3{font-size:1.05rem;margin:0}
small{color:#556370;font-weight:normal}label{display:block;margin:0 0 .3rem}
h1 small,form>label small,dt small{display:block}
form{margin:1.2rem 0}section{border-top:1px solid #c5ced6;margin-top:1.4rem;padding-top:1rem}
textarea,select{font:inherit;width:100%;box-sizing:border-box;padding:.6rem;
border:1px solid #7b8794;border-radius:.4rem;background:#fff;color:inherit}
#code{letter-spacing:.06em;text-transform:uppercase}
button{font:inherit;margin-top:.7rem;width:100%;padding:.7rem;border:0;border-radius:.4rem;
background:#0b5cad;color:#fff;cursor:pointer}button small{color:#dce9f6}
button:disabled{opacity:.5}
button.plain{background:#fff;color:#8a2318;border:1px solid #8a2318}
button.plain small{color:#8a2318}
.scale{display:grid;grid-template-columns:repeat(5,1fr);gap:.5rem;margin:.3rem 0}
.scale button{margin:0}.hint{display:flex;justify-content:space-between;margin:0}
.choice{display:flex;gap:1.5rem;margin:.3rem 0 .8rem}
#notice{padding:.8rem;border-radius:.4rem;border:2px solid #1a7f37}
#notice.bad{border-color:#b42318}
dl{display:grid;grid-template-columns:auto 1fr;gap:.3rem .8rem;margin:0 0 1rem}
dt{color:#556370}dd{margin:0;overflow-wrap:anywhere;white-space:pre-wrap}
.entry{margin:.6rem 0;padding:.6rem .8rem;border-radius:.4rem;background:#eef2f6;
overflow-wrap:anywhere;white-space:pre-wrap}
.entry.you{background:#e3f0e6;margin-left:2rem}.entry.office{margin-right:2rem}
.entry small{display:block}
"""

SCRIPT = """"use strict";
const at = id => document.getElementById(id);
const months = ["ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.",
  "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค."];
const KINDS = {question: ["คำถาม", "question"], answer: ["คำตอบ", "answer"],
  addition: ["เพิ่มข้อมูล", "added"], message: ["ข้อความ", "message"],
  decision: ["ผลการพิจารณา", "decision"], occurrence: ["เกิดขึ้นอีก", "again"],
  rating: ["ความเห็น", "rating"], reopening: ["ขอเปิดเรื่องใหม่", "reopened"]};
const OUTCOMES = {substantiated: ["เป็นจริงตามที่ร้อง", "substantiated"],
  unsubstantiated: ["ไม่เป็นตามที่ร้อง", "unsubstantiated"],
  out_of_jurisdiction: ["อยู่นอกอำนาจหน้าที่", "outside of our powers"],
  unregistered_factory: ["โรงงานไม่ได้จดทะเบียน", "unregistered factory"],
  no_evidence: ["ไม่พบหลักฐาน", "no evidence found"]};
const STATUS = {received: "received", in_progress: "in progress",
  waiting_for_you: "waiting for you", finished: "finished", not_taken_up: "not taken up",
  withdrawn: "withdrawn"};
let code = "", mine = null;
function moment(text, clock) {
  const [day, time] = new Date(text)
    .toLocaleString("sv-SE", {timeZone: "Asia/Bangkok"}).split(" ");
  const [year, month, date] = day.split("-").map(Number);
  return `${date} ${months[month - 1]} ${year + 543}` + (clock ? ` ${time.slice(0, 5)} น.` : "");
}
function part(name, th, en) {
  const made = document.createElement(name);
  made.append(th);
  if (en) {
    const small = document.createElement("small");
    small.lang = "en";
    small.append(" " + en);
    made.append(small);
  }
  return made;
}
function notice(th, en, bad) {
  at("notice").className = bad ? "bad" : "";
  at("notice").replaceChildren(...(th ? part("span", th, en).childNodes : []));
  at("notice").hidden = !th;
}
async function ask(method, path, body) {
  const headers = {Authorization: "Tracking " + code, "Accept-Language": "th"};
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch("/v1/own-complaints" + path,
    {method, headers, body: body && JSON.stringify(body), credentials: "omit"});
  const found = await response.json();
  if (!response.ok) throw Object.assign(new Error(), {told: found.title});
  return found;
}
function id() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = bytes[6] & 15 | 64;
  bytes[8] = bytes[8] & 63 | 128;
  const hex = [...bytes].map(b => b.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}
const pending = {};
async function send(what, body) {
  // The same words sent again after a lost answer are the same entry.
  const key = what + JSON.stringify(body);
  pending[key] = pending[key] || id();
  const path = body ? `/${mine.id}/${what}/${pending[key]}` : `/${mine.id}/${what}`;
  show(await ask("PUT", path, body));
  delete pending[key];
  notice("ส่งแล้ว", "Sent.");
}
function show(found) {
  mine = found;
  at("status").replaceChildren(...part("h2", found.status_th, STATUS[found.status]).childNodes);
  const outcome = OUTCOMES[found.outcome] || [];
  const rows = [["เลขที่เรื่อง", "number", found.number],
    ["แจ้งเมื่อ", "told on", moment(found.received_at)],
    ["หน่วยงาน", "office", found.office_th, found.office_en],
    ["ส่งต่อไปที่", "passed on to", found.forwarded_to],
    ["แจ้งผลภายใน", "answer by", found.answer_by && open() && moment(found.answer_by)],
    ["ผล", "outcome", ...outcome], ["คำชี้แจง", "in words", found.decision],
    ["เรื่องที่แจ้ง", "what you told", found.description],
    ["เกิดขึ้นอีก", "again", found.occurrences ? found.occurrences + " ครั้ง" : ""],
    ["ขอเปิดใหม่ได้ถึง", "may be reopened until",
      found.reopen_until && moment(found.reopen_until)]];
  at("facts").replaceChildren();
  for (const [nameTh, nameEn, th, en] of rows)
    if (th) at("facts").append(part("dt", nameTh, nameEn), part("dd", th, en));
  at("said").replaceChildren(...found.said.map(said => {
    const [th, en] = KINDS[said.kind] || [said.kind, ""];
    const made = part("div", said.text);
    made.className = "entry " + said.by;
    const who = said.by === "you" ? "ท่าน" : "สำนักงาน";
    const when = moment(said.at || said.received_at, true);
    made.prepend(part("small", `${who} · ${th} (${en}) · ${when}`));
    return made;
  }));
  for (const opened of found.openings) {
    const made = part("div", opened.reason);
    made.className = "entry office";
    made.prepend(part("small", `${opened.office_th} เปิดดูข้อมูลผู้ร้องเมื่อ ` +
      `${moment(opened.at, true)} เพราะ (your identity was opened, because)`));
    at("said").append(made);
  }
  const waiting = found.status === "waiting_for_you";
  at("say-label").replaceChildren(...part("label", waiting ? "ตอบคำถามของสำนักงาน" :
    "เพิ่มข้อมูล", waiting ? "Answer the office" : "Add something").childNodes);
  at("say").hidden = at("again").hidden = !open() || found.me_too;
  at("withdraw").hidden = !open();
  at("rate").hidden = !["finished", "not_taken_up"].includes(found.status) || found.me_too;
  at("reopen").hidden = at("reopens").hidden =
    !found.reopen_until || new Date(found.reopen_until) < new Date();
  at("complaint").hidden = false;
}
const open = () => ["received", "in_progress", "waiting_for_you"].includes(mine.status);
function on(name, act) {
  const form = at(name);
  form.addEventListener("submit", async event => {
    event.preventDefault();
    const buttons = form.querySelectorAll("button");
    buttons.forEach(button => { button.disabled = true; });
    try {
      await act(event);
      if (name !== "form") form.reset();
    } catch (error) {
      if (error.told) notice(error.told, "", true);
      else notice("ติดต่อระบบไม่ได้ กรุณาลองใหม่", "Please try again.", true);
    }
    buttons.forEach(button => { button.disabled = false; });
  });
}
for (let n = 1; n <= 5; n++) {
  const button = part("button", String(n));
  button.value = n;
  at("strength").append(button);
}
on("form", async () => {
  code = at("code").value.replace(/[\\s-]/g, "");
  at("complaint").hidden = true;
  notice("");
  const found = (await ask("GET", "")).items[0];
  show(found);
});
on("say", () => send(mine.status === "waiting_for_you" ? "answers" : "additions",
  {text: at("text").value}));
on("again", event => send("occurrences",
  {strength: Number(event.submitter ? event.submitter.value : 3), at: new Date().toISOString()}));
on("rate", () => {
  const solved = at("rate").querySelector("input:checked").value === "yes";
  const stars = at("stars").value;
  return send("ratings", {solved, rating: stars ? Number(stars) : null});
});
on("reopen", () => send("reopenings", {text: at("why").value}));
on("withdraw", () => confirm("ยกเลิกเรื่องนี้หรือไม่ / Withdraw this complaint?") &&
  send("withdrawal"));
if (location.hash.length > 1) {
  at("code").value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  at("form").requestSubmit();
}
"""
