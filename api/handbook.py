"""What is written from the code for people and programs outside: openapi/*.json and pages of docs/.

`make check` compares the committed OpenAPI files with these; nothing here is edited by hand.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import api
from api import openapi, problems
from api.app import ROUTERS
from api.edge import DEPENDENCIES
from api.readers.uses import page as evidence

CHECKOUT = Path(__file__).resolve().parent.parent


def contract() -> dict[str, str]:
    """File name → text of what a client developer needs, in a stable order."""
    return {
        "openapi.json": _json(openapi.document(ROUTERS, DEPENDENCIES)),
        "problems.json": _json([_problem(code) for code in sorted(problems.CATALOGUE)]),
    }


def pages() -> dict[str, str]:
    """File name → text of the pages in docs/ that are written from the code."""
    return {
        "states.md": _states(),
        "problems.md": _problems(),
        "reader-evidence.md": evidence.page(),
    }


def page(name: str) -> str:
    """The page as it is now; empty where there is none."""
    path = CHECKOUT / "docs" / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def write() -> list[Path]:
    """Writes the pages; returns their paths."""
    written = []
    for name, text in pages().items():
        path = CHECKOUT / "docs" / name
        path.write_text(text, encoding="utf-8")
        written.append(path.relative_to(CHECKOUT))
    return written


def moves() -> Iterator[tuple[str, Mapping[tuple[str, str], str]]]:
    """(`inspection.VISIT_MOVES`, the table) for each table of moves in a feature's model."""
    found = (info.name for info in pkgutil.walk_packages(api.__path__, "api."))
    for path in sorted(name for name in found if name.endswith(".model")):
        model = importlib.import_module(path)
        feature = path.removeprefix("api.").removesuffix(".model")
        for name in sorted(vars(model)):
            if name == "MOVES" or name.endswith("_MOVES"):
                yield f"{feature}.{name}", getattr(model, name)


def _states() -> str:
    parts = [
        "# States\n\nWritten by `make docs` from the tables of moves of each feature; what is not"
        " in a table is refused."
    ]
    for name, table in moves():
        states = list(dict.fromkeys([*(state for _, state in table), *table.values()]))
        verbs = list(dict.fromkeys(verb for verb, _ in table))
        reached = {to for (_, state), to in table.items() if to != state}
        left = {state for (_, state), to in table.items() if to != state}
        lines = [f"    [*] --> {state}" for state in states if state not in reached]
        edges: dict[tuple[str, str], list[str]] = {}
        for (verb, state), to in table.items():
            edges.setdefault((state, to), []).append(verb)
        lines += [f"    {a} --> {b}: {', '.join(found)}" for (a, b), found in edges.items()]
        lines += [f"    {state} --> [*]" for state in states if state not in left]
        parts.append(f"## {name}\n\n```mermaid\nstateDiagram-v2")
        parts += [*lines, "```\n"]
        parts.append("| state | " + " | ".join(verbs) + " |")
        parts.append("|---" * (len(verbs) + 1) + "|")
        for state in states:
            cells = [str(table.get((verb, state), "–")) for verb in verbs]
            parts.append(f"| **{state}** | " + " | ".join(cells) + " |")
        parts.append("")
    return "\n".join(parts)


def _problems() -> str:
    lines = [
        "# Problems\n\nWritten by `make docs` from the catalogue. Each answer is "
        "`application/problem+json` (RFC 9457).\n",
        "| code | status | meaning | ความหมาย | when |\n|---|---|---|---|---|",
    ]
    for code in sorted(problems.CATALOGUE):
        kind = problems.CATALOGUE[code]
        about = " ".join((kind.__doc__ or "").split())
        lines.append(f"| `{code}` | {kind.status} | {kind.en} | {kind.th} | {about} |")
    return "\n".join(lines) + "\n"


def _problem(code: str) -> dict[str, Any]:
    kind = problems.CATALOGUE[code]
    return {
        "type": problems.type_base + code,
        "code": code,
        "status": kind.status,
        "th": kind.th,
        "en": kind.en,
        "description": " ".join((kind.__doc__ or "").split()),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
