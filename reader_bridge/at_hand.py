"""Commands with a card in the hand: the readers, a test, a reading without the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

import click

from reader_bridge import texts
from reader_bridge.card.reading import TextReading, read_photo, read_text
from reader_bridge.chain.journal import TicketGone
from reader_bridge.chain.stating import Identity, Stating
from reader_bridge.console import told
from reader_bridge.device import folder
from reader_bridge.fields import Fault, Field
from reader_bridge.line import rotation
from reader_bridge.messages import Ticket
from reader_bridge.pcsc.cards import Cards
from reader_bridge.pcsc.ports import CardFault
from reader_bridge.pcsc.sightings import Inserted
from reader_bridge.pcsc.watcher import SETTLED, Watcher
from reader_bridge.pcsc.winscard import Pcsc

SETTLES_S: Final = 3.0
WAITS_S: Final = 90.0
LOOK_S: Final = 0.05


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
            time.sleep(LOOK_S)
        if not watcher.service_up:
            raise click.ClickException(texts.fault(Fault.service_gone))
        time.sleep(0.3)
        yield watcher, cards
    finally:
        watcher.stop()
        cards.close()


@click.command()
def readers() -> None:
    """The readers that PC/SC shows."""
    with told(), watching() as (watcher, _):
        found = watcher.readers()
        for reader in found:
            lies = watcher.present(reader.name)
            card = "–" if lies is None else "มีบัตร (card in)"
            click.echo(f"{reader.name}  [{reader.serial or 'ไม่มีหมายเลข (no serial)'}]  {card}")
    if not found:
        raise click.ClickException(
            "ไม่พบเครื่องอ่านบัตร กรุณาลอง reader-bridge doctor (no reader; try `reader-bridge doctor`)"
        )


@click.command("test-read")
@click.option("--reader", default=None, help="Its PC/SC name; the one with a card by default.")
@click.option("--photo", is_flag=True)
def test_read(reader: str | None, photo: bool) -> None:
    """Read the card that lies in a reader, show it masked, keep and send nothing."""
    wanted = {Field.cid, Field.name_th, Field.birth, Field.address, Field.version}
    with told(), watching() as (watcher, cards):
        names = [r.name for r in watcher.readers() if reader in (None, r.name)]
        if not names:
            raise click.ClickException(
                "ไม่พบเครื่องอ่านนี้ หรือโปรแกรมอื่นใช้อยู่ กรุณาดูชื่อด้วย reader-bridge readers แล้วลอง "
                "reader-bridge doctor (no such reader, or another program holds it; see "
                "`reader-bridge readers`, then `reader-bridge doctor`)"
            )
        card = next((c for name in names if (c := watcher.present(name)) is not None), None)
        if card is None:
            raise click.ClickException(
                "ไม่มีบัตรในเครื่องอ่าน กรุณาเสียบบัตร (no card in the reader; put one in)"
            )
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


@click.command("offline-read")
@click.option("--reader", default=None, help="Its PC/SC name; that of the ticket by default.")
@click.option("--ticket", "number", type=int, default=None, help="Its number in the list.")
@click.option("--list", "only_list", is_flag=True, help="Show the tickets, read nothing.")
@click.pass_obj
def offline_read(where: Path, reader: str | None, number: int | None, only_list: bool) -> None:
    """Read a card by a ticket while the server is out of reach; the service sends it later."""
    with told():
        configuration = folder.load(where)
        if configuration.device is None:
            raise click.ClickException("เครื่องนี้ยังไม่ได้ลงทะเบียน (not enrolled)")
        device, journal = rotation.opened(where)
        try:
            now = datetime.now(UTC)
            found = journal.tickets(now)
            for place, ticket in enumerate(found, 1):
                click.echo(_line(place, ticket))
            if not found:
                raise click.ClickException(_none_left(journal.ticket_count(), now))
            if only_list:
                return
            if journal.pin() is None:
                raise CardFault(Fault.server_not_pinned)
            fit = _chosen(found, number, reader)
            identity = Identity(configuration.device, configuration.audience, uuid4())
            stating = Stating(identity, device, journal)
            with watching() as (watcher, cards):
                since = time.monotonic()
                ticket, card, text = _read(watcher, cards, fit, reader)
                sequence = stating.state(
                    card,
                    text,
                    nonce=ticket.nonce,
                    purpose=ticket.purpose,
                    waited=card.monotonic - since,
                    ticket=ticket,
                )
        except TicketGone:
            raise click.ClickException("ใบอนุญาตนี้ถูกใช้ไปแล้ว (this ticket is used or void)") from None
        except CardFault as error:
            raise click.ClickException(texts.fault(error.fault)) from None
        finally:
            journal.close()
    click.echo("\n".join(texts.masked(text.text)))
    click.echo(
        f"✓ บันทึกแล้ว ลำดับ {sequence} เวลา {text.read_at.astimezone():%H:%M:%S} จะส่งเมื่อต่อแม่ข่ายได้ "
        f"(kept as number {sequence}, sent when the server is back)"
    )


def _none_left(held: int, now: datetime) -> str:
    if held:
        return (
            f"ใบอนุญาตออฟไลน์หมดเวลาแล้ว หรือนาฬิกาของเครื่องนี้ผิด: {now.astimezone():%Y-%m-%d %H:%M} "
            "(the tickets are over, or this PC's clock is wrong; a year of the Buddhist Era is)"
        )
    return (
        "ไม่มีใบอนุญาตอ่านแบบออฟไลน์ที่ยังใช้ได้ ต้องขอไว้ก่อนขณะออนไลน์ "
        "(no ticket left; an officer asks for them while the server is there)"
    )


def _line(place: int, ticket: Ticket) -> str:
    until = ticket.expires_at.astimezone()
    at = ticket.desk or ticket.reader or "–"
    about = f"  สำหรับ (for) …{ticket.about.hex[-6:]}" if ticket.about else ""
    return (
        f"{place:>3}  {ticket.code}  {ticket.purpose}{about}  {ticket.officer or '–'}  "
        f"ที่ (at) {at}  ถึง (until) {until:%H:%M}"
    )


def _chosen(found: list[Ticket], number: int | None, reader: str | None) -> list[Ticket]:
    """Those of which the reader that the card comes into takes its own: alike but for the desk."""
    fit = [ticket for ticket in found if reader is None or ticket.reader in (None, reader)]
    if number is None and len({(t.purpose, t.officer, t.about) for t in fit}) > 1:
        number = click.prompt("ใบที่ (which)", type=click.IntRange(1, len(found)))
    if number is not None:
        if not 1 <= number <= len(found):
            raise click.ClickException(f"ไม่มีใบที่ {number} (there is no number {number})")
        fit = [ticket for ticket in fit if ticket is found[number - 1]]
    if not fit:
        raise click.ClickException(
            f"ใบอนุญาตไม่ใช่ของเครื่องอ่าน {reader} (no such ticket is for the reader {reader})"
        )
    return fit


def _read(
    watcher: Watcher, cards: Cards, fit: list[Ticket], reader: str | None
) -> tuple[Ticket, Inserted, TextReading]:
    """From a card that is put in now, by the first of the tickets that is for that reader; a fault
    is told and the card tried again. Raises `CardFault` when the time is up."""
    time.sleep(SETTLED)  # a reader that was seen only now shows no card as fresh
    began, tried, told_of = time.monotonic(), set[int](), set[int]()
    click.echo("กรุณาเสียบบัตร (put the card in now)")
    while time.monotonic() < began + WAITS_S:
        here = [r for r in watcher.readers() if reader in (None, r.name)]
        serves = {r.name: t for r in here for t in reversed(fit) if t.is_for(r)}
        lie = [c for r in here if (c := watcher.present(r.name)) is not None]
        come = [c for c in lie if c.fresh and c.monotonic >= began]
        for card in lie:
            if (card not in come or card.reader not in serves) and card.insertion not in told_of:
                told_of.add(card.insertion)
                why = _not_here(fit) if card in come else texts.fault(Fault.card_left)
                click.echo(f"{card.reader}: {why}")
        now = [c for c in come if c.reader in serves and c.insertion not in tried]
        if len(now) > 1:
            raise CardFault(Fault.two_cards)
        for card in now:
            tried.add(card.insertion)
            ticket = serves[card.reader]
            try:
                if card.mute:
                    raise CardFault(Fault.card_silent)
                return ticket, card, read_text(cards, card, frozenset(ticket.fields))
            except CardFault as error:
                click.echo(texts.fault(error.fault))
        time.sleep(LOOK_S)
    raise CardFault(Fault.timed_out)


def _not_here(fit: list[Ticket]) -> str:
    where = ", ".join(dict.fromkeys(f"{t.desk} · {t.reader}" for t in fit))
    return f"ใบอนุญาตเป็นของเครื่องอ่านอื่น (the ticket is for another reader): {where}"


def _progress() -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        click.echo(f"\r{done}/{total}", nl=done == total, err=True)

    return tell
