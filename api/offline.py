"""Commands that need neither server nor data base: public keys, and verifying a file with them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec

KEYS_HELP = "Public keys, as `superapp keys public` or /.well-known/jwks.json gives them."


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--keys",
    "keys_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"{KEYS_HELP} [this installation's own]",
)
def verify(file: Path, keys_file: Path | None) -> None:
    """Say whether FILE, a PDF of ours, is unchanged. Works offline, with public keys only.

    Exits 0 when not a byte was changed since it was signed; 1 otherwise. Whether the document is
    still in force can only be asked of the server, at the address that is printed.
    """
    from api.documents import seals

    try:
        key_of = seals.key_set(keys_file.read_bytes() if keys_file else _own_keys())
    except ValueError as error:
        raise click.ClickException(f"{keys_file or 'keyring'}: {error}") from error
    found = seals.read_pdf(file.read_bytes(), key_of)
    if found is None:
        _wrong("ไม่ใช่เอกสารที่ระบบนี้ลงลายมือชื่อ", "not a document that this system signed")
    if not found.intact and key_of(found.kid) is None:
        _wrong(
            f"ไม่มีกุญแจสาธารณะ {found.kid} ให้ตรวจสอบ",
            f"no public key {found.kid} to verify it with",
        )
    if not found.intact:
        _wrong("ไฟล์ถูกแก้ไขหลังลงลายมือชื่อ", "the file was changed after it was signed")
    if found.content is None or not seals.verify(found.jws, found.content, seals.CONTENT, key_of):
        _wrong("ไม่มีเนื้อหาที่ลงลายมือชื่อแนบอยู่", "no signed content is attached")
    click.echo("ไฟล์ไม่ถูกแก้ไขหลังลงลายมือชื่อ / unchanged since it was signed")
    for line in _about(msgspec.json.decode(found.content), found.kid):
        click.echo(line)


@click.command("public")
def public_keys() -> None:
    """Print the public keys as a JWK set: with them anyone verifies tokens, receipts, documents."""
    click.echo(msgspec.json.format(_own_keys(), indent=2))


def _about(envelope: Mapping[str, Any], kid: str) -> list[str]:
    from api.documents.contents import TITLES

    content = envelope["content"]
    th, en = TITLES.get(envelope["kind"], ("", envelope["kind"]))
    told = {
        "kind": f"{th} / {en}",
        "number": content.get("number", ""),
        "date": content["date"],
        "office": f"{content['office']['th']} / {content['office']['en']}",
        "signed": envelope["issued_at"],
        "key": kid,
        "in force?": envelope["verify_at"],
    }
    return [f"  {name:<10} {value}" for name, value in told.items() if value]


def _own_keys() -> bytes:
    from api.embedded import default_home
    from api.keys import Keyring, KeyringError
    from api.settings import Settings

    settings = Settings.load(os.environ)
    home = Path(settings.data_dir or default_home())
    path = Path(settings.keyring) if settings.keyring else home / "keyring.json"
    if not path.exists():  # never made here: nobody's documents verify with a fresh one
        raise click.ClickException("There is no keyring here; name the public keys: --keys FILE")
    try:
        return msgspec.json.encode(Keyring.open(path).public())
    except KeyringError as error:
        raise click.ClickException(f"{error}") from error


def _wrong(th: str, en: str) -> NoReturn:
    click.echo(f"ใช้ไม่ได้: {th}\nnot valid: {en}", err=True)
    sys.exit(1)
