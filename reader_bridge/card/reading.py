"""A reading is whole and of one card, or it is a fault.

One transaction, with CID and chip serial read first and last and compared; before every command
the watcher, and behind the last one PC/SC itself, must still know of the very insertion that was
asked for. Nothing of a reading that broke is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reader_bridge.card import thai_card
from reader_bridge.card.card_text import decode
from reader_bridge.card.chip import Chip
from reader_bridge.fields import CardText, Fault, Field
from reader_bridge.pcsc.cards import Cards
from reader_bridge.pcsc.ports import CardFault, Transaction
from reader_bridge.pcsc.sightings import Inserted

Progress = Callable[[int, int], None]
"""Called with bytes read and bytes to be read, in the thread of the reading; be quick in it."""

# Seconds. Slow readers take 0.95 for all text and 7 for the photo (byte time alone).
TEXT_WITHIN, PHOTO_WITHIN = 10.0, 30.0


@dataclass(frozen=True)
class Bracket:
    """Which chip, and whose: at both ends of every transaction."""

    serial: str | None
    cid: str = field(repr=False)


@dataclass(frozen=True)
class TextReading:
    """`text` has the fields asked for, no others; `read_at` (UTC) is when the last byte came.

    `chip_serial`: 16 hexadecimal digits, None for a chip that does not tell. `apdus`: how many
    commands it took. No value of the card is in its repr.
    """

    text: CardText = field(repr=False)
    atr: bytes
    chip_serial: str | None
    read_at: datetime
    apdus: int
    bracket: Bracket = field(repr=False)


def never() -> bool:
    return False


def silent(done: int, total: int) -> None:
    pass


def read_text(
    cards: Cards,
    inserted: Inserted,
    fields: Collection[Field],
    *,
    cancelled: Callable[[], bool] = never,
    progress: Progress = silent,
    within: float = TEXT_WITHIN,
) -> TextReading:
    """Read `fields` from the card of `inserted`. Blocks for at most `within` seconds.

    Only what is asked for is read, besides version, CID and chip serial, which every reading
    needs. Raises CardFault, after which nothing of the card is left anywhere.
    """
    wanted = frozenset(fields)

    raw: dict[Field, bytes | None] = {}

    def work(transaction: Transaction, stopped: Callable[[], None]) -> tuple[Chip, Bracket]:
        chip = Chip(transaction, inserted.atr or transaction.state().atr, stopped)
        version, before = _open(chip)
        pieces = thai_card.plan(wanted, version)
        total, done = sum(piece.span.length for piece in pieces), 0
        progress(0, total)
        for piece in pieces:
            data = chip.read(piece.span)
            for name, span in piece.fields:
                start = span.offset - piece.span.offset
                raw[name] = data[start : start + span.length]
            done += piece.span.length
            progress(done, total)
        if Field.laser_no in wanted:
            raw[Field.laser_no] = chip.laser_number()
            chip.select()
        _close(chip, version, before)
        if Field.version in wanted:
            raw[Field.version] = version
        if Field.cid in wanted:
            raw[Field.cid] = before.cid.encode("ascii")
        return chip, before

    chip, bracket = cards.use(inserted, work, within=within, cancelled=cancelled)
    read_at = datetime.now(UTC)
    try:
        text = decode(raw)
    except ValueError as error:
        raise CardFault(Fault.card_damaged, str(error)) from None
    return TextReading(text, chip.atr, bracket.serial, read_at, chip.apdus, bracket)


def read_photo(
    cards: Cards,
    inserted: Inserted,
    same: TextReading,
    *,
    cancelled: Callable[[], bool] = never,
    progress: Progress = silent,
    within: float = PHOTO_WITHIN,
) -> bytes:
    """The photo (JPEG) of the card that `same` was read from: same insertion, CID and chip.

    In a transaction of its own, so that the text can be shown meanwhile. The bytes are those on
    the card; only padding behind the JPEG's end is taken off. Raises CardFault.
    """

    def work(transaction: Transaction, stopped: Callable[[], None]) -> bytes:
        chip = Chip(transaction, inserted.atr or transaction.state().atr, stopped)
        version, before = _open(chip)
        if before != same.bracket:
            raise CardFault(Fault.card_changed, "not the card of the text")
        spans = thai_card.photo(version)
        total, got = sum(span.length for span in spans), bytearray()
        progress(0, total)
        for span in spans:
            got += chip.read(span)
            progress(len(got), total)
        _close(chip, version, before)
        return bytes(got)

    try:
        return thai_card.trimmed(cards.use(inserted, work, within=within, cancelled=cancelled))
    except ValueError as error:
        raise CardFault(Fault.card_damaged, f"photo: {error}") from None


def _open(chip: Chip) -> tuple[bytes, Bracket]:
    """Version, and the first bracket."""
    chip.select()
    serial = chip.serial()
    version = chip.version()
    return version, Bracket(serial, chip.cid(version))


def _close(chip: Chip, version: bytes, before: Bracket) -> None:
    """The second bracket."""
    cid = chip.cid(version)
    if Bracket(chip.serial(), cid) != before:
        raise CardFault(Fault.card_changed, "CID or chip serial differ at the end")
