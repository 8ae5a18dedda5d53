"""The figures: what each is called, what it must reach, and the file that keeps the latest ones."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

LATEST = Path(__file__).parent / "latest.json"


class Target(msgspec.Struct, frozen=True):
    """`value` is reached from below (`lower` is better) or from above (`higher`)."""

    unit: str
    better: Literal["higher", "lower"]
    value: float


TARGETS: dict[str, Target] = {
    "push.vs_driver": Target("ratio", "higher", 0.6),
    "push.cpu_ms": Target("ms", "lower", 6),
    "push.statements": Target("statements", "lower", 12),
    "push.batch20_share": Target("ratio", "lower", 0.9),
    "push.replay_x": Target("ratio", "higher", 2),
    "push.kb_gz": Target("kB", "lower", 12),
    "pull.unchanged_cpu_ms": Target("ms", "lower", 2),
    "pull.changed10_records": Target("records", "lower", 10),
    "pull.bootstrap_s": Target("s", "lower", 1),
    "pull.visit_pack_kb_gz": Target("kB", "lower", 60),
    "factories.scale_x": Target("ratio", "lower", 2.5),
    "factories.first_page_ms": Target("ms", "lower", 50),
    "import.rows_per_s": Target("rows/s", "higher", 15_000),
    "jobs.per_s": Target("jobs/s", "higher", 1_000),
    "deadlines.scan_ratio": Target("ratio", "lower", 1.1),
    "upload.vs_plain": Target("ratio", "higher", 0.7),
    "upload.memory_mb": Target("MB", "lower", 1),
    "report.cpu_s": Target("s", "lower", 0.5),
    "complaint.vs_driver": Target("ratio", "higher", 0.5),
    "complaint.cpu_ms": Target("ms", "lower", 2),
    "complaint.statements": Target("statements", "lower", 10),
    "triage.statements": Target("statements", "lower", 2),
    "triage.scale_x": Target("ratio", "lower", 1.5),
    "nearby.ms": Target("ms", "lower", 5),
    "export.first_byte_ms": Target("ms", "lower", 100),
    "export.rows_per_s": Target("rows/s", "higher", 40_000),
    "export.memory_mb": Target("MB", "lower", 50),
    "reading.overhead_p50_ms": Target("ms", "lower", 60),
    "reading.overhead_p99_ms": Target("ms", "lower", 150),
    "reading.vs_bare": Target("ratio", "lower", 1.1),
    "reading.vs_bare_at_card_speed": Target("ratio", "lower", 1.1),
    "reading.wrong_desk": Target("readings", "lower", 0),
    "bridge.idle_kb": Target("kB", "lower", 30),
    "bridge.verify_per_s": Target("statements/s", "higher", 500),
}


class Row(msgspec.Struct):
    """A figure as `latest.json` keeps it."""

    name: str
    value: float
    unit: str
    better: str
    target: float
    ok: bool
    note: str = ""


def row(name: str, value: float, note: str = "") -> Row:
    """The figure `name` held against its target. Raises KeyError for a name of no target."""
    t = TARGETS[name]
    value = float(f"{value:.4g}") if value < 1000 else float(round(value))
    ok = value >= t.value if t.better == "higher" else value <= t.value
    return Row(name, value, t.unit, t.better, t.value, ok, note)


def keep(rows: Sequence[Row], part: str) -> None:
    """Replaces the rows of `part` in `latest.json` by `rows`, in the order of the targets."""
    kept = msgspec.json.decode(LATEST.read_bytes(), type=list[Row]) if LATEST.exists() else []
    kept = [r for r in kept if r.name.partition(".")[0] != part and r.name in TARGETS]
    order = list(TARGETS)
    kept = sorted([*kept, *rows], key=lambda r: order.index(r.name))
    LATEST.write_bytes(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")


def show(rows: Sequence[Row]) -> None:
    """Prints the table to the terminal, or plainly where there is none."""
    table = Table(title="make bench", title_justify="left")
    for name in ("name", "value", "unit", "target", "ok", "note"):
        table.add_column(name, justify="right" if name in ("value", "target") else "left")
    for r in rows:
        sign = "≥" if r.better == "higher" else "≤"
        ok = "[green]yes[/]" if r.ok else "[red]NO[/]"
        table.add_row(r.name, f"{r.value:g}", r.unit, f"{sign} {r.target:g}", ok, r.note)
    Console(width=None if sys.stdout.isatty() else 150).print(table)
