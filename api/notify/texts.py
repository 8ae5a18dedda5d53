"""The sentences of messages, Thai and English, as data in `templates.json`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import msgspec

from api.notify.model import Language

PUSH = "push"
"""What a phone shows below the title. The facts stay in the inbox: a push passes by others."""


class Text(msgspec.Struct, frozen=True):
    title: str
    text: str


@cache
def templates() -> dict[str, dict[Language, Text]]:
    content = Path(__file__).with_name("templates.json").read_bytes()
    return msgspec.json.decode(content, type=dict[str, dict[Language, Text]])


def render(template: str, facts: Mapping[str, Any], language: Language) -> Text:
    """The text with its facts filled in; raises KeyError where a template or a fact is unknown."""
    found = templates()[template][language]
    return Text(found.title.format_map(facts), found.text.format_map(facts))


def placeholders(template: str, language: Language) -> set[str]:
    found = templates()[template][language]
    parsed = [*Formatter().parse(found.title), *Formatter().parse(found.text)]
    return {name for _, name, _, _ in parsed if name}
