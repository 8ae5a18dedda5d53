"""The public page `/verify`: is this document real, is it in force, is my file unchanged?

Thai first, for a phone. The file never leaves the browser: only its SHA-256 is asked about.
"""

from __future__ import annotations

VERIFY = """<!doctype html>
<html lang="th"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ตรวจสอบเอกสาร – กระทรวงอุตสาหกรรม</title>
<link rel="stylesheet" href="/verify/page.css">
<main>
<h1>ตรวจสอบเอกสาร <small lang="en">Verify a document</small></h1>
<p>พิมพ์รหัสตรวจสอบ 16 ตัวที่ท้ายเอกสาร หรือสแกน QR code บนเอกสาร<br>
<small lang="en">Type the 16 characters at the document's foot, or scan its QR code.</small></p>
<form id="form">
<label for="code">รหัสตรวจสอบ <small lang="en">Verify code</small></label>
<input id="code" name="code" autocomplete="off" autocapitalize="characters" spellcheck="false"
 inputmode="text" placeholder="0000-0000-0000-0000" required>
<label for="file">ไฟล์ PDF ที่ท่านมี (ไม่บังคับ ไฟล์จะไม่ถูกส่งออกจากเครื่องของท่าน)
<small lang="en">Your PDF (optional; it does not leave your device)</small></label>
<input id="file" type="file" accept="application/pdf">
<button>ตรวจสอบ <small lang="en">Verify</small></button>
</form>
<section id="answer" role="status" aria-live="polite" hidden></section>
<noscript><p>หน้านี้ต้องใช้ JavaScript หรือเรียก <code>/v1/verify/รหัส</code> โดยตรง<br>
<small lang="en">This page needs JavaScript; or ask <code>/v1/verify/CODE</code>.</small></p>
</noscript>
</main>
<script src="/verify/page.js"></script>
"""

STYLE = """body{font:1.05rem/1.6 system-ui,sans-serif;color:#1c2733;margin:0}
main{max-width:34rem;margin:0 auto;padding:1.2rem}
h1{font-size:1.45rem}small{color:#556370;font-weight:normal}
label{display:block;margin:1rem 0 .3rem}label small{display:block}
input{font:inherit;width:100%;box-sizing:border-box;padding:.6rem;border:1px solid #7b8794;
border-radius:.4rem}
#code{letter-spacing:.08em;text-transform:uppercase}
button{font:inherit;margin-top:1.2rem;width:100%;padding:.7rem;border:0;border-radius:.4rem;
background:#0b5cad;color:#fff}button small{color:#dce9f6}
#answer{margin-top:1.4rem;padding:1rem;border-radius:.4rem;border:2px solid #7b8794}
#answer.good{border-color:#1a7f37}#answer.warn{border-color:#9a6700}#answer.bad{border-color:#b42318}
#answer h2{font-size:1.15rem;margin:0 0 .5rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem .8rem;margin:0}
dt{color:#556370}dd{margin:0}
"""

SCRIPT = """"use strict";
const form = document.getElementById("form");
const answer = document.getElementById("answer");
const months = ["มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน",
  "กรกฎาคม", "สิงหาคม", "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม"];
const day = text => {
  const [year, month, date] = text.slice(0, 10).split("-").map(Number);
  return `${date} ${months[month - 1]} พ.ศ. ${year + 543}`;
};
const inBangkok = text => new Date(text).toLocaleDateString("sv-SE", {timeZone: "Asia/Bangkok"});
const FILE = {
  unchanged: ["good", "ไฟล์ของท่านตรงกับฉบับที่ออก", "Your file is the one that was issued."],
  different: ["bad", "ไฟล์ของท่านไม่ตรงกับฉบับที่ออก", "Your file is not the one that was issued."],
  not_rendered: ["warn", "ยังจัดทำไฟล์ PDF ไม่เสร็จ", "The PDF is still being made."],
};
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
function show(kind, th, en, rows) {
  answer.className = kind;
  answer.replaceChildren(part("h2", th, en));
  const list = document.createElement("dl");
  for (const [nameTh, nameEn, th, en] of rows || [])
    if (th) list.append(part("dt", nameTh, nameEn), part("dd", th, en));
  answer.append(list);
  answer.hidden = false;
}
async function hash(file) {
  const found = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(found)].map(b => b.toString(16).padStart(2, "0")).join("");
}
async function verify() {
  const file = document.getElementById("file").files[0];
  const query = file ? "?sha256=" + await hash(file) : "";
  const code = encodeURIComponent(document.getElementById("code").value.trim());
  const response = await fetch(`/v1/verify/${code}${query}`,
    {headers: {"Accept-Language": "th"}, credentials: "omit"});
  const found = await response.json();
  if (!response.ok) return show("bad", found.title, response.status === 404 ?
    "There is no document with this code." : "This code cannot be checked.");
  if (found.record === "tampered") return show("bad", "ข้อมูลของเอกสารนี้ถูกแก้ไขภายหลัง เชื่อถือไม่ได้",
    "The record of this document was tampered with.");
  if (found.record === "erased") return show("warn", "เอกสารนี้เคยมีอยู่ แต่ข้อมูลถูกลบแล้ว",
    "This document existed; its content has been erased.");
  const about = FILE[found.file];
  const good = found.force === "in_force" || found.force === "fulfilled";
  const level = about && about[0] !== "good" ? about[0] : good ? "good" : "warn";
  show(level, about && about[0] === "bad" ? about[1] : "มีเอกสารนี้จริง",
    about && about[0] === "bad" ? about[2] : "This document is genuine.", [
    ["เอกสาร", "document", found.kind_th, found.kind_en],
    ["เลขที่", "number", found.number],
    ["ลงวันที่", "date", found.date && day(found.date)],
    ["หน่วยงาน", "office", found.office_th, found.office_en],
    ["สถานะ", "force", found.force_th, found.force_en],
    ["ตั้งแต่", "since", found.force_since && day(inBangkok(found.force_since))],
    ["ไฟล์", "file", about && about[1], about && about[2]],
  ]);
}
form.addEventListener("submit", event => {
  event.preventDefault();
  verify().catch(() => show("warn", "ติดต่อระบบไม่ได้ กรุณาลองใหม่", "Please try again."));
});
const given = decodeURIComponent(location.pathname.split("/")[2] || "");
if (given) {
  document.getElementById("code").value = given;
  form.requestSubmit();
}
"""
