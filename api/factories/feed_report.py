"""What an import refuses or keeps with a fault, line by line, as a CSV that a spreadsheet opens."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Final

from api.factories.feed import Rejected

HEADER: Final = ("line", "outcome", "field", "reason", "reason_th", "reason_en", "value")
_FORMULA: Final = re.compile(r"[\s\u0001-\u0020\u00a0\ufeff]*[=+\-@|%\uff1d\uff0b\uff0d\uff20]")


def cell(text: str) -> str:
    """A text that no spreadsheet runs: one that it would begins with an apostrophe (CWE-1236; as
    `csv_cell` of the schema)."""
    return f"'{text}" if _FORMULA.match(text) else text


class Report:
    """Every row that was refused or kept with a fault, as a CSV that a spreadsheet opens."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def __enter__(self) -> Report:
        self.file = None if self.path is None else self.path.open("w", encoding="utf-8-sig")
        if self.file is not None:
            self.sheet = csv.writer(self.file)
            self.sheet.writerow(HEADER)
        return self

    def write(self, line: Rejected) -> None:
        if self.file is not None:
            outcome = "kept" if line.kept else "rejected"
            self.sheet.writerow(
                (line.line, outcome, line.field, line.reason, line.th, line.en, cell(line.value))
            )

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()
