"""`reader-bridge`: the commands of a desk PC."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import httpx

from reader_bridge import folder, keys, link, service, texts
from reader_bridge.cards import Cards
from reader_bridge.enrolment import Begun, Refused
from reader_bridge.enrolment import enrol as do_enrol
from reader_bridge.fields import Fault, Field
from reader_bridge.folder import Unusable
from reader_bridge.journal import Journal
from reader_bridge.pcsc import NoPyscard, Pcsc
from reader_bridge.ports import CardFault
from reader_bridge.reading import read_photo, read_text
from reader_bridge.watcher import Watcher

SETTLES_S = 3.0


def software() -> str:
    try:
        return metadata.version("superapp")
    except metadata.PackageNotFoundError:
        return "0"


@click.group()
@click.option(
    "--folder",
    "where",
    type=click.Path(path_type=Path, file_okay=False),
    default=folder.default,
    help="Where this PC's configuration and key lie.",
)
@click.version_option(software())
@click.pass_context
def main(context: click.Context, where: Path) -> None:
    """Beside each card reader: reads a card when a signed-in officer waits for one."""
    context.obj = where


@contextmanager
def told() -> Iterator[None]:
    """What is wrong becomes one line and exit code 1."""
    try:
        yield
    except (Unusable, Refused, NoPyscard, link.Over) as error:
        raise click.ClickException(str(error)) from None
    except httpx.HTTPError as error:
        raise click.ClickException(f"ติดต่อเครื่องแม่ข่ายไม่ได้ (server out of reach): {error}") from None


@main.command()
@click.option("--server", required=True, help="The server's public address, https://…")
@click.option("--name", default="", help="What officers will see; the PC's name by default.")
@click.option("--key-in-file", is_flag=True, help="Do not use the system's key store.")
@click.option("--ca-file", default="", help="A certificate authority of one's own (PEM).")
@click.option("--proxy", default="", help="The proxy for the way out.")
@click.pass_obj
def enrol(where: Path, server: str, name: str, key_in_file: bool, ca_file: str, proxy: str) -> None:
    """Make this PC a device of an office: an officer approves the code that is shown."""

    def show(begun: Begun) -> None:
        click.echo("ให้ผู้มีสิทธิอนุมัติเปิดหน้านี้และพิมพ์รหัส (an officer with the right opens this and types):")
        click.echo(f"  {begun.verification_uri}")
        click.echo(f"  รหัส (code)              {begun.user_code}")
        click.echo(f"  ลายนิ้วมือ (fingerprint)   {begun.fingerprint}")
        click.echo(f"รอการอนุมัติ {begun.expires_in // 60} นาที (waiting) …")

    with told():
        found = do_enrol(
            where,
            server,
            name=name,
            software=software(),
            show=show,
            in_file=key_in_file,
            ca_file=ca_file,
            proxy=proxy,
        )
    click.echo(f"✓ {found.name} · {found.office}")


@main.command()
@click.option("--verbose", is_flag=True)
@click.pass_obj
def run(where: Path, verbose: bool) -> None:
    """Serve this PC's readers until told to stop. Logs carry no personal data."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("httpx", "httpcore", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    with told():
        asyncio.run(service.run(where, software()))


@main.command()
@click.pass_obj
def status(where: Path) -> None:
    """What this PC is, and whether it is connected. Exit code 1 when it is not."""
    with told():
        configuration = folder.load(where)
        device = keys.load(where)
        journal = Journal(where, device)
    notes, (sequence, _) = journal.notes(), journal.end()
    click.echo(f"เครื่อง (device)         {configuration.name} · {configuration.device}")
    click.echo(f"สำนักงาน (office)       {configuration.office}")
    click.echo(f"แม่ข่าย (server)         {configuration.server}")
    click.echo(f"กุญแจ (key)            {device.protection}")
    click.echo(f"เชื่อมต่อ (connected)      {notes.get('connected') or '–'}")
    click.echo(f"คำแถลง (statements)    {sequence}, รอส่ง (waiting) {journal.count()}")
    if notes.get("error"):
        click.echo(f"ปัญหาล่าสุด (last fault)   {notes['error']}")
    if notes.get("clock"):
        click.echo(f"นาฬิกาคลาดเคลื่อน (clock off by) {notes['clock']} s")
    raise SystemExit(0 if notes.get("connected") else 1)


@main.command()
def readers() -> None:
    """The readers that PC/SC shows."""
    with told(), watching() as (watcher, _):
        found = watcher.readers()
        for reader in found:
            lies = watcher.present(reader.name)
            card = "–" if lies is None else "มีบัตร (card in)"
            click.echo(f"{reader.name}  [{reader.serial or 'ไม่มีหมายเลข (no serial)'}]  {card}")
    if not found:
        raise click.ClickException("ไม่พบเครื่องอ่านบัตร (no reader); try `reader-bridge doctor`")


@main.command("test-read")
@click.option("--reader", default=None, help="Its PC/SC name; the one with a card by default.")
@click.option("--photo", is_flag=True)
def test_read(reader: str | None, photo: bool) -> None:
    """Read the card that lies in a reader, show it masked, keep and send nothing."""
    wanted = {Field.cid, Field.name_th, Field.birth, Field.address, Field.version}
    with told(), watching() as (watcher, cards):
        names = [reader] if reader else [r.name for r in watcher.readers()]
        card = next((c for name in names if (c := watcher.present(name)) is not None), None)
        if card is None:
            raise click.ClickException("ไม่มีบัตรในเครื่องอ่าน (no card in the reader)")
        try:
            began = time.perf_counter()
            text = read_text(cards, card, wanted)
            click.echo("\n".join(texts.masked(text.text)))
            click.echo(f"✓ {text.apdus} APDU, {(time.perf_counter() - began) * 1000:.0f} ms")
            if photo:
                size = len(read_photo(cards, card, text, progress=_progress()))
                click.echo(f"✓ photo {size} bytes")
        except CardFault as error:
            raise click.ClickException(texts.fault(error.fault)) from None


def _progress() -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        click.echo(f"\r{done}/{total}", nl=done == total, err=True)

    return tell


@contextmanager
def watching() -> Iterator[tuple[Watcher, Cards]]:
    """A watcher that has had the time to see what is there."""
    port = Pcsc()
    watcher = Watcher(port, lambda sighting: None)
    cards = Cards(port, watcher)
    watcher.start()
    try:
        until = time.monotonic() + SETTLES_S
        while time.monotonic() < until and not watcher.readers():
            time.sleep(0.05)
        if not watcher.service_up:
            raise click.ClickException(texts.fault(Fault.service_gone))
        time.sleep(0.3)
        yield watcher, cards
    finally:
        watcher.stop()
        cards.close()


def entry() -> Any:
    """For `python -m reader_bridge`."""
    return main(prog_name="reader-bridge")
