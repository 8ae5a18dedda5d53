"""What is written from the code for people and programs outside: openapi/*.json and pages of docs/.

`make check` compares the committed OpenAPI files with these; nothing here is edited by hand.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import api
from api import problems
from api.settings import Settings

CHECKOUT = Path(__file__).resolve().parent.parent


def contract() -> dict[str, str]:
    """File name → text of what a client developer needs, in a stable order."""
    from api.app import create_app

    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(env="test", data_dir=folder))
    return {
        "openapi.json": _json(app.openapi_schema.to_schema()),
        "problems.json": _json([_problem(code) for code in sorted(problems.CATALOGUE)]),
    }


def write() -> list[Path]:
    """Writes docs/states.md and docs/problems.md; returns their paths."""
    contract()  # imports every feature
    pages = {"states.md": _states(), "problems.md": _problems()}
    written = []
    for name, text in pages.items():
        path = CHECKOUT / "docs" / name
        path.write_text(text, encoding="utf-8")
        written.append(path.relative_to(CHECKOUT))
    return written


def moves() -> Iterator[tuple[str, Mapping[tuple[str, str], str]]]:
    """(`inspection.VISIT_MOVES`, the table) for each table of moves in a feature's model."""
    for package in sorted(info.name for info in pkgutil.iter_modules(api.__path__) if info.ispkg):
        try:
            model = importlib.import_module(f"api.{package}.model")
        except ModuleNotFoundError:
            continue
        for name in sorted(vars(model)):
            if name == "MOVES" or name.endswith("_MOVES"):
                yield f"{package}.{name}", getattr(model, name)


def _states() -> str:
    parts = ["# States\n\nWritten by `make docs` from the `MOVES` of each feature.\n"]
    for name, table in moves():
        parts.append(f"## {name}\n\n```mermaid\nstateDiagram-v2")
        parts += [f"    {state} --> {to}: {verb}" for (verb, state), to in table.items()]
        parts.append("```\n")
    return "\n".join(parts)


def _problems() -> str:
    lines = [
        "# Problems\n\nWritten by `make docs` from the catalogue. Each answer is "
        "`application/problem+json` (RFC 9457).\n",
        "| code | status | meaning | ความหมาย |\n|---|---|---|---|",
    ]
    for code in sorted(problems.CATALOGUE):
        kind = problems.CATALOGUE[code]
        lines.append(f"| `{code}` | {kind.status} | {kind.en} | {kind.th} |")
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
