"""What docs/ says of the bridge is what the program does."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reader_bridge import cli, messages
from reader_bridge.messages import Kind, Signed
from reader_bridge.server_keys import pinned

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PROTOCOL = (DOCS / "reader-protocol.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json (.+?)\n(.+?)^```", PROTOCOL, re.MULTILINE | re.DOTALL)
SIGNED = {
    "greeting": Kind.hello,
    "statement": Kind.statement,
    "photo": Kind.photo,
    "rotate": Kind.rotation,
}


@pytest.mark.parametrize(("what", "text"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_of_the_protocol_is_a_message_of_this_version(what: str, text: str) -> None:
    if what == "from the server":
        found: Any = messages.from_server(text)
    elif what == "from the bridge":
        found = messages.from_bridge(text)
    else:
        found = msgspec.json.decode(text, type=getattr(messages, what))
    assert json.loads(messages.encode(found)) == json.loads(text)


def test_the_examples_signatures_stand_and_tell_the_bodies_that_are_shown() -> None:
    key_text = re.search(r"public key `(.+?)`", PROTOCOL)
    assert key_text is not None
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(key_text[1]))
    shown = [json.loads(text) for what, text in EXAMPLES if not what.startswith("from")]
    seen = 0
    for _, text in EXAMPLES:
        said = json.loads(text)
        if said.get("type") not in SIGNED:
            continue
        signed = next(v for v in said.values() if isinstance(v, dict) and "body" in v)
        opened = messages.opened(
            key, SIGNED[said["type"]], msgspec.convert(signed, Signed, strict=False), msgspec.Raw
        )
        seen += 1
        assert said["type"] == "photo" or json.loads(bytes(opened)) in shown
    assert seen == len(SIGNED)


def test_what_the_server_says_of_itself_and_asks_stands_and_is_shown_as_it_is_signed() -> None:
    new, old = (
        base64.b64decode(found)
        for found in re.findall(r"`([A-Za-z0-9+/]{43}=)`", PROTOCOL.split("## The line")[0])[1:]
    )
    told = [messages.from_server(text) for what, text in EXAMPLES if what == "from the server"]
    welcome = next(one for one in told if isinstance(one, messages.Welcome))
    asked = next(one for one in told if isinstance(one, messages.Asked))
    identity = Ed25519PublicKey.from_public_bytes(new)
    opened = {
        "Sealing": messages.opened(
            identity, Kind.sealing_key, welcome.keys.sealing, messages.Sealing
        ),
        "Succession": messages.opened(
            Ed25519PublicKey.from_public_bytes(old),
            Kind.succession,
            welcome.keys.successions[0],
            messages.Succession,
        ),
        "Asking": messages.opened(
            identity, Kind.asked, Signed(asked.body, asked.signature), messages.Asking
        ),
    }
    for what, said in opened.items():
        (shown,) = [json.loads(text) for name, text in EXAMPLES if name == what]
        assert json.loads(messages.encode(said)) == shown
    known = pinned(old, welcome.keys, "https://superapp.example")
    assert known.identity == new == welcome.keys.identity


def test_every_message_there_is_has_an_example() -> None:
    kinds = {*get_args(messages.FromServer), *get_args(messages.FromBridge)}
    tags = {kind.__struct_config__.tag for kind in kinds}
    assert tags == {json.loads(text)["type"] for _, text in EXAMPLES if "type" in json.loads(text)}


def test_every_command_is_in_the_document_and_every_command_there_exists() -> None:
    text = (DOCS / "reader-bridge.md").read_text(encoding="utf-8")
    for name in cli.main.commands:
        assert f"`{name}" in text or f"reader-bridge {name}" in text
    for name in re.findall(r"`reader-bridge ([a-z-]+)", text):
        assert name in cli.main.commands
