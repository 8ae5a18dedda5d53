// A second evaluator, written from openapi/rules.md alone and interpreting instead of compiling.
// It runs the vectors as a phone would. Usage: node rules.mjs <checklist.json> <rule-vectors.json>
// Prints {"vectors": n, "wrong": [...]}; exits 1 where a verdict differs.
import { readFileSync } from "node:fs";

const TRUE = 1, FALSE = 0, UNKNOWN = -1; // ordered so that `not` is simple to read below
const isObject = (x) => typeof x === "object" && x !== null && !Array.isArray(x);
const usable = (x) => typeof x === "number" && Math.abs(x) <= 1e12;
const isScalar = (x) => typeof x === "string" || typeof x === "boolean" || usable(x);
const has = (o, k) => Object.prototype.hasOwnProperty.call(o, k);
const get = (o, k) => (has(o, k) ? o[k] : undefined);
const blank = (s) => /^[ \t\r\n]*$/.test(s);
const truth = (b) => (b ? TRUE : FALSE);

// -- §4 operands and conditions

function operand(o, ctx) {
  switch (o.from) {
    case "fact": return asScalar(get(ctx.subject, o.name));
    case "answer": return asScalar(get(ctx.answers, o.item));
    case "first":
      for (const each of o.of) {
        const x = operand(each, ctx);
        if (x !== undefined) return x;
      }
      return undefined;
  }
  const rows = get(ctx.answers, o.item);
  if (!Array.isArray(rows)) return undefined;
  if (o.from === "rows") {
    if (!o.where) return rows.length;
    return rows.filter((r) => isObject(r) && get(r, o.where.column) === o.where.equals).length;
  }
  const cells = rows.filter(isObject).map((r) => get(r, o.column)).filter(usable);
  if (cells.length === 0) return undefined;
  if (o.take === "sum") return cells.reduce((a, b) => a + b, 0);
  return o.take === "max" ? Math.max(...cells) : Math.min(...cells);
}
function asScalar(x) { return isScalar(x) ? x : undefined; }
function numeric(bound, ctx) {
  const x = typeof bound === "number" ? bound : operand(bound, ctx);
  return usable(x) ? x : undefined;
}
function inCategories(listed, subject) {
  const all = get(subject, "categories");
  if (!Array.isArray(all)) return UNKNOWN;
  const texts = all.filter((c) => typeof c === "string");
  if (texts.length === 0) return UNKNOWN;
  const length = (s) => [...s].length;
  const fits = (c, entry) =>
    length(entry) === 3 ? length(c) === 5 && c.startsWith(entry) : c === entry;
  return truth(texts.some((c) => listed.some((entry) => fits(c, entry))));
}
function condition(c, ctx) {
  switch (c.op) {
    case "all": {
      const parts = c.of.map((each) => condition(each, ctx));
      return parts.includes(FALSE) ? FALSE : parts.includes(UNKNOWN) ? UNKNOWN : TRUE;
    }
    case "any": {
      const parts = c.of.map((each) => condition(each, ctx));
      return parts.includes(TRUE) ? TRUE : parts.includes(UNKNOWN) ? UNKNOWN : FALSE;
    }
    case "not": {
      const inner = condition(c.of, ctx);
      return inner === UNKNOWN ? UNKNOWN : truth(inner === FALSE);
    }
    case "answered": return truth((get(ctx.answers, c.item) ?? null) !== null);
    case "category": return inCategories(c.any_of, ctx.subject);
  }
  const left = operand(c.left, ctx);
  if (left === undefined) return UNKNOWN;
  if (c.op === "eq") return truth(left === c.right);
  if (c.op === "ne") return truth(left !== c.right);
  if (c.op === "in") return truth(c.right.includes(left));
  if (typeof left !== "number") return UNKNOWN;
  switch (c.op) {
    case "lt": return truth(left < c.right);
    case "le": return truth(left <= c.right);
    case "gt": return truth(left > c.right);
    case "ge": return truth(left >= c.right);
    case "between": return truth(c.low <= left && left <= c.high);
  }
  throw new Error(`unknown operator ${c.op}`); // no published standard has one
}

// -- days, as [year, month, day]; compared as one number

const monthLength = (y, m) => new Date(Date.UTC(2000 + (y % 400), m, 0)).getUTCDate();
const ordinal = ([y, m, d]) => (y * 100 + m) * 100 + d;
function isoDay(x) {
  const found = typeof x === "string" && /^(\d{4})-(\d{2})-(\d{2})$/.exec(x);
  return found ? found.slice(1).map(Number) : null;
}
const exists = ([y, m, d]) => y >= 1 && m >= 1 && m <= 12 && d >= 1 && d <= monthLength(y, m);
function visitDay(ctx) {
  const day = isoDay(get(ctx.subject, "visit_date"));
  return day && exists(day) ? day : null;
}
function plusMonths([y, m, d], n) {
  const k = y * 12 + (m - 1) + n;
  const year = Math.floor(k / 12), month = (k % 12) + 1;
  return [year, month, Math.min(d, monthLength(year, month))];
}

// -- §6, step 7: reading a value. Returns undefined where it is unusable.

const MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;
const isMoment = (x) => typeof x === "string" && MOMENT.test(x);
const isWord = (x) => typeof x === "string" && !blank(x);

function read(answer, value, ctx, flag) {
  const wrong = () => void flag("value.wrong_type");
  const impossible = () => void flag("value.impossible");
  switch (answer.type) {
    case "pass_fail": case "pass_fail_na": case "choice": {
      const codes = answer.type === "choice" ? answer.options.map((o) => o.code) : ["pass", "fail"];
      if (typeof value !== "string") return wrong();
      return codes.includes(value) ? value : impossible();
    }
    case "number":
      if (typeof value !== "number") return wrong();
      if (!(value >= answer.lowest && value <= answer.highest)) return impossible();
      return answer.whole && !Number.isInteger(value) ? impossible() : value;
    case "text": return readText(value, flag);
    case "date": return readDate(value, ctx, flag);
    case "table": {
      if (answer.or_text && typeof value === "string") return readText(value, flag);
      if (!Array.isArray(value)) return wrong();
      if (value.length > 500) flag("value.too_long");
      for (const row of value.slice(0, 500)) {
        if (!isObject(row)) { wrong(); continue; }
        for (const column of answer.columns) {
          const cell = get(row, column.key) ?? null;
          if (cell === null) { if (column.required) flag("value.incomplete"); continue; }
          const kind = column.kind ?? "text";
          const fits = kind === "number" ? usable(cell)
            : typeof cell === "string" && (kind === "text" || (column.options ?? []).includes(cell));
          if (!fits) wrong();
        }
      }
      return value;
    }
    case "position": {
      if (!isObject(value)) return wrong();
      const lat = get(value, "lat"), lng = get(value, "lng");
      if (!usable(lat) || !usable(lng)) return wrong();
      if (lat < 5 || lat > 21 || lng < 97 || lng > 106) return impossible();
      let accuracy = get(value, "accuracy_m") ?? null;
      if (accuracy !== null && !(usable(accuracy) && accuracy >= 0)) { wrong(); accuracy = null; }
      if (accuracy > 100) flag("value.imprecise");
      if (get(value, "mock") === true) flag("value.mock");
      return { lat, lng, accuracy: accuracy ?? 0 };
    }
    case "sample": {
      if (!isObject(value)) return wrong();
      const chain = get(value, "custody");
      const whole = ["sample_no", "point", "laboratory"].every((k) => isWord(get(value, k)))
        && isMoment(get(value, "taken_at")) && Array.isArray(chain) && chain.length > 0
        && chain.every((l) => isObject(l) && isWord(get(l, "by")) && isMoment(get(l, "at")));
      if (!whole) flag("value.incomplete");
      return value;
    }
    case "comparison": return readComparison(value, flag);
  }
  throw new Error(`unknown type ${answer.type}`);
}
function readText(value, flag) {
  if (typeof value !== "string") return void flag("value.wrong_type");
  if (blank(value)) flag("value.empty");
  else if ([...value].length > 10000) flag("value.too_long");
  return value;
}
function readDate(value, ctx, flag) {
  let parts = isoDay(value);
  if (!parts) {
    if (!isObject(value)) return void flag("value.wrong_type");
    parts = ["year", "month", "day"].map((k) => get(value, k) ?? null);
    const whole = parts.every((p) => p === null || (usable(p) && Number.isInteger(p)));
    if (!whole || parts[0] === null || (parts[2] !== null && parts[1] === null)) {
      return void flag("value.wrong_type");
    }
    if (parts[2] === null) flag("value.partial_date");
  }
  const [y, m, d] = parts;
  if (y >= 2400 || y < 1900 || !exists([y, m ?? 1, d ?? 1])) return void flag("value.impossible");
  const earliest = [y, m ?? 1, d ?? 1];
  const latest = [y, m ?? 12, d ?? monthLength(y, m ?? 12)];
  const visit = visitDay(ctx);
  if (visit && ordinal(earliest) > ordinal(visit)) return void flag("value.impossible");
  return { earliest, latest };
}
function readComparison(value, flag) {
  const rows = isObject(value) ? [value] : value;
  if (!Array.isArray(rows)) return void flag("value.wrong_type");
  let complete = rows.length > 0;
  if (!complete) flag("value.empty");
  const lines = [];
  const drop = (code) => { complete = false; flag(code); };
  for (const row of rows.slice(0, 500)) {
    if (!isObject(row)) { drop("value.wrong_type"); continue; }
    const counted = get(row, "counted") ?? null;
    if (counted === null || !has(row, "reported")) { drop("value.incomplete"); continue; }
    const numbers = [counted, row.reported].filter((x) => x !== null);
    const trouble = numbers.map((x) => typeof x !== "number" ? "value.wrong_type"
      : !usable(x) || x < 0 ? "value.impossible" : null).find((code) => code !== null);
    if (trouble) drop(trouble);
    else lines.push({ counted, reported: row.reported });
  }
  if (rows.length > 500) drop("value.too_long");
  return { lines, complete };
}

// -- §5 limits: "held", "broken", "unknown", "skipped"

function metres(a, b) {
  const rad = (x) => (x * Math.PI) / 180;
  const h = Math.sin(rad(b.lat - a.lat) / 2) ** 2
    + Math.cos(rad(a.lat)) * Math.cos(rad(b.lat)) * Math.sin(rad(b.lng - a.lng) / 2) ** 2;
  return 2 * 6371008.8 * Math.asin(Math.min(1, Math.sqrt(h)));
}
const apart = (counted, reported, percent) =>
  !(Math.abs(counted - reported) <= (reported * percent) / 100);

function limitResult(limit, value, ctx) {
  if (limit.when) {
    const counts = condition(limit.when, ctx);
    if (counts !== TRUE) return counts === FALSE ? "skipped" : "unknown";
  }
  const verdict = (broken) => (broken ? "broken" : "held");
  switch (limit.kind) {
    case "condition": {
      const c = condition(limit.broken_when, ctx);
      return c === UNKNOWN ? "unknown" : verdict(c === TRUE);
    }
    case "range": {
      const own = (limit.exceptions ?? [])
        .find((e) => inCategories(e.categories, ctx.subject) === TRUE) ?? limit;
      let unknown = false;
      for (const [side, inclusive] of [["min", limit.min_inclusive], ["max", limit.max_inclusive]]) {
        if ((own[side] ?? null) === null) continue;
        const bound = numeric(own[side], ctx);
        if (bound === undefined) { unknown = true; continue; }
        const beyond = side === "min" ? value < bound : value > bound;
        if (beyond || (value === bound && inclusive === false)) return "broken";
      }
      return unknown ? "unknown" : "held";
    }
    case "increase": {
      const base = numeric(limit.base, ctx);
      if (base === undefined) return "unknown";
      const step = limit.steps.find((s) => base <= s.up_to)?.value ?? limit.above;
      return verdict(value >= base + step);
    }
    case "per": {
      const by = numeric(limit.by, ctx);
      if (by === undefined) return "unknown";
      const last = limit.steps.at(-1);
      const least = limit.steps.find((s) => by <= s.up_to)?.value
        ?? last.value + Math.ceil((by - last.up_to) / limit.each) * limit.add;
      return verdict(value < least);
    }
    case "difference": {
      if (limit.base) {
        const base = numeric(limit.base, ctx);
        return base === undefined ? "unknown" : verdict(apart(value, base, limit.tolerance_percent));
      }
      const off = value.lines.some((l) =>
        l.reported === null || apart(l.counted, l.reported, limit.tolerance_percent));
      return off ? "broken" : value.complete ? "held" : "unknown";
    }
    case "age": {
      const visit = visitDay(ctx);
      if (!visit) return "unknown";
      const until = (day) => ordinal(plusMonths(day, limit.max_months));
      if (ordinal(visit) > until(value.latest)) return "broken";
      return ordinal(visit) <= until(value.earliest) ? "held" : "unknown";
    }
    case "distance": {
      const base = get(ctx.subject, limit.base.name);
      if (!isObject(base) || !usable(base.lat) || !usable(base.lng)) return "unknown";
      if (value.accuracy > Math.max(100, limit.max_m)) return "unknown";
      return verdict(metres(value, base) - value.accuracy > limit.max_m);
    }
  }
  throw new Error(`unknown limit ${limit.kind}`);
}

// -- §3 and §6

function applies(item, ctx) {
  const { classes, categories = [] } = item.applies_to;
  const own = get(ctx.subject, "class");
  const fits = usable(own) ? classes.includes(own) : [1, 2, 3].every((c) => classes.includes(c));
  return fits && (categories.length === 0 || inCategories(categories, ctx.subject) === TRUE);
}
const shows = (item, ctx) => !item.show_when || condition(item.show_when, ctx) !== FALSE;

function judge(item, value, ctx) {
  const flags = new Set();
  const flag = (code) => { flags.add(code); };
  const end = (outcome, breach = null) => ({ outcome, flags: [...flags].sort(), breach });
  const outright = { limit: null, severity: item.severity };
  const type = item.answer.type;
  let limits = item.limits ?? [];
  let plain = "recorded", breach = null, normal;
  if (type !== "text" && value === "na") {
    if (type !== "pass_fail_na" && !item.answer.na) { flag("value.na_not_allowed"); return end("unreadable"); }
    plain = "not_applicable";
    limits = limits.filter((l) => l.kind === "condition");
  } else if (type === "date" && item.answer.none && value === "none") {
    return end("fail", outright);
  } else if (type !== "text" && isObject(value) && get(value, "awaiting") === "laboratory") {
    if (!isWord(get(value, "sample"))) flag("value.incomplete");
    if (item.answered !== "laboratory") flag("value.awaiting_unexpected");
    return end("pending");
  } else {
    normal = read(item.answer, value, ctx, flag);
    if (normal === undefined) return end("unreadable");
    if (type.startsWith("pass_fail")) {
      plain = normal;
      if (normal === "fail") breach = outright;
    }
  }
  let held = false, unsure = false;
  for (const limit of limits) {
    const result = limitResult(limit, normal, ctx);
    const finding = limit.effect !== "flag";
    if (result === "held" && finding) held = true;
    if (result === "unknown" && finding) { unsure = true; flag("limit.not_evaluated"); }
    if (result === "broken" && !finding) flag("limit.noticed");
    if (result === "broken" && finding) {
      breach ??= { limit: limit.id, severity: limit.severity ?? item.severity };
    }
  }
  if (breach) return end("fail", breach);
  if (unsure) return end("recorded");
  return end(plain === "recorded" && held ? "pass" : plain);
}

function evaluate(standard, vector) {
  const ctx = { subject: { ...vector.subject }, answers: vector.answers };
  if (vector.visit_date !== null) ctx.subject.visit_date = vector.visit_date;
  const item = standard.items.find((i) => i.code === vector.item);
  const value = get(ctx.answers, vector.item) ?? null;
  const applicable = item !== undefined && applies(item, ctx);
  const shown = item !== undefined && shows(item, ctx);
  const required = item !== undefined && item.required !== false;
  let verdict = { outcome: null, flags: [], breach: null };
  const note = (outcome, code) => ({ outcome, flags: [code], breach: null });
  if (value !== null) {
    if (!item) verdict = note("unreadable", "item.unknown");
    else if (!applicable) verdict = note("recorded", "item.not_applicable");
    else if (!shown) verdict = note("recorded", "item.hidden");
    else verdict = judge(item, value, ctx);
  }
  return { applicable, shown, missing: required && applicable && shown && value === null, ...verdict };
}

const [checklist, vectors] = process.argv.slice(2).map((f) => JSON.parse(readFileSync(f, "utf8")));
const standards = { ...vectors.standards, "checklist-1": checklist };
const wrong = [];
const order = (o) => JSON.stringify(Object.fromEntries(Object.entries(o).sort()));
for (const vector of vectors.vectors) {
  let got;
  try { got = evaluate(standards[vector.standard], vector); } catch (e) { got = { error: String(e) }; }
  if (order(got) !== order(vector.expect)) wrong.push({ name: vector.name, expect: vector.expect, got });
}
console.log(JSON.stringify({ vectors: vectors.vectors.length, wrong }));
process.exit(wrong.length ? 1 : 0);
