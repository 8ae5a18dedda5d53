"""`reader-bridge`: the commands of a desk PC."""

from __future__ import annotations

import asyncio
import logging
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from reader_bridge import at_hand, service, texts
from reader_bridge.chain.journal import FILE
from reader_bridge.console import plain_output, told
from reader_bridge.device import folder, keys
from reader_bridge.device.alone import FILE as LOCK
from reader_bridge.device.alone import alone, runs
from reader_bridge.doctor.examination import diagnose
from reader_bridge.enrolment import Begun
from reader_bridge.enrolment import enrol as do_enrol
from reader_bridge.fields import Fault
from reader_bridge.line import rotation
from reader_bridge.messages import fingerprint


def software() -> str:
    try:
        return metadata.version("superapp")
    except metadata.PackageNotFoundError:
        return "0"


@click.group()
@click.option(
    "--folder",
    "where",
    type=click.Path(path_type=Path, file_okay=False, readable=False),
    default=folder.default,
    help="Where this PC's configuration and key lie.",
)
@click.version_option(software())
@click.pass_context
def main(context: click.Context, where: Path) -> None:
    """Beside each card reader: reads a card when a signed-in officer waits for one."""
    plain_output()
    folder.as_owner(where)
    context.obj = where


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
    """What this PC is, and whether it is connected. Exit code 1 when it is not.

    The server's key is what `superapp keys list` shows there of its active identity, or was when
    this PC last heard of it. Where another one answers, the last fault says so; then no card is
    read and nothing is sent.
    """
    with told():
        configuration = folder.load(where)
        device, journal = rotation.opened(where)
        notes, (sequence, _), waiting = journal.notes(), journal.end(), journal.count()
        pin = journal.pin()
        journal.close()
    connected = notes.get("connected") if runs(where) else None
    click.echo(f"เครื่อง (device)         {configuration.name} · {configuration.device}")
    click.echo(f"สำนักงาน (office)       {configuration.office}")
    click.echo(f"แม่ข่าย (server)         {configuration.server}")
    known = texts.fault(Fault.server_not_pinned) if pin is None else pin.fingerprint
    click.echo(f"กุญแจแม่ข่าย (its key)    {known}")
    click.echo(f"กุญแจ (key)            {fingerprint(device.public)} · {device.protection}")
    click.echo(f"บริการ (service)         {'ทำงาน (runs)' if runs(where) else 'หยุด (stopped)'}")
    click.echo(f"เชื่อมต่อ (connected)      {connected or '–'}")
    click.echo(f"คำแถลง (statements)    {sequence}, รอส่ง (waiting) {waiting}")
    for name, what in (("ended", "ถูกปิด (ended)"), ("error", "ปัญหาล่าสุด (last fault)")):
        if notes.get(name):
            click.echo(f"{what}   {notes[name]}")
    if notes.get("clock"):
        click.echo(f"นาฬิกาคลาดเคลื่อน (clock off by) {notes['clock']} s")
    raise SystemExit(0 if connected else 1)


@main.command("rotate-key")
@click.pass_obj
def rotate_key(where: Path) -> None:
    """Give this device a new key, once nothing waits to be sent."""
    with told():
        try:
            since = asyncio.run(service.rotate(where, software()))
        except TimeoutError:
            raise click.ClickException(
                "ยังไม่ทราบผล จะทำต่อเองเมื่อเชื่อมต่อได้และไม่มีรายการรอส่ง "
                "(not known yet; it goes on by itself with the next connection, "
                "once nothing waits to be sent)"
            ) from None
    click.echo(f"✓ กุญแจใหม่ (new key) {since}")


@main.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def forget(where: Path, yes: bool) -> None:
    """Delete this PC's key, journal and configuration. Revoke the device at the server as well."""
    with told():
        with alone(where):
            waiting = rotation.waiting(where)
            if waiting:
                click.echo(f"รอส่ง {waiting} รายการ จะหายไป ({waiting} not sent yet will be lost)")
            if not yes:
                click.confirm("ลบทั้งหมดหรือไม่ (delete all of it?)", abort=True)
            for place in ("device", "next", "enrolling"):
                keys.forget(where, place)
            for name in (FILE, f"{FILE}-journal", folder.CONFIGURATION):
                (where / name).unlink(missing_ok=True)
            folder.sync(where)
        (where / LOCK).unlink(missing_ok=True)
    click.echo(
        f"✓ ลบแล้ว กรุณาเพิกถอนเครื่องนี้ที่แม่ข่ายด้วย (gone from {where}; revoke it at the server too)"
    )


@main.command()
@click.pass_obj
def doctor(where: Path) -> None:
    """Say what is wrong with this PC, and what to do. Exit code 1 where something is."""
    wrong = 0
    for finding in diagnose(where, software()):
        click.echo(finding.text())
        wrong += finding.state == "wrong"
    raise SystemExit(1 if wrong else 0)


for command in (at_hand.readers, at_hand.test_read, at_hand.offline_read):
    main.add_command(command)


def entry() -> Any:
    """For `python -m reader_bridge`."""
    return main(prog_name="reader-bridge")
