"""The port on the PC/SC of this machine: WinSCard, macOS's own, pcsc-lite. The one use of pyscard.

Only pyscard's lowest layer, function by function as PC/SC part 5 has it: its threads that watch
readers and cards end for good when the service restarts. Nothing here waits for longer than PC/SC
does; limits are set by `Cards` and the watcher.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from reader_bridge.fields import Fault
from reader_bridge.pcsc.ports import CHANGED, UNKNOWN, CardFault, Identity, ReaderState, States

PLUG_AND_PLAY = "\\\\?PnP?\\Notification"
VENDOR, MODEL, SERIAL = 0x00010100, 0x00010101, 0x00010103  # SCARD_ATTR_VENDOR_…
OK, TIMEOUT, CANCELLED = 0, 0x8010000A, 0x80100002
SHARING, UNKNOWN_READER, NO_READERS = 0x8010000B, 0x80100009, 0x8010002E
MOST = 10 if sys.platform == "win32" else 16
"""Readers that one SCardGetStatusChange takes (MAXIMUM_SMARTCARD_READERS; pcsc-lite refuses the
17th, which would be the one that tells of new readers)."""
CROWDED = 0.1
"""Seconds of one wait with that many readers: nobody tells of new ones then."""
BUSY_TRIES, BUSY_STEP = 20, 0.05
"""How often, and seconds between two of it, a card is tried that another program holds for itself,
or has just reset: Windows' own services take a card for a moment whenever one is put in, and reset
it. Not counted in time: each try may itself wait for others, and `Cards` limits all of it."""

FAULTS: dict[int, Fault] = {
    0x80100068: Fault.reader_busy,  # W_RESET_CARD: by another program, in between
    SHARING: Fault.reader_busy,
    0x80100069: Fault.card_removed,  # W_REMOVED_CARD
    0x8010000C: Fault.card_removed,  # E_NO_SMARTCARD
    0x80100010: Fault.card_silent,  # E_NOT_READY
    0x80100015: Fault.card_silent,  # E_INVALID_ATR
    0x80100016: Fault.card_silent,  # E_NOT_TRANSACTED
    0x80100066: Fault.card_silent,  # W_UNRESPONSIVE_CARD
    0x80100067: Fault.card_silent,  # W_UNPOWERED_CARD
    0x8010002F: Fault.card_silent,  # F_COMM_DATA_LOST, as Windows has it
    31: Fault.card_silent,  # Windows: a device attached to the system is not functioning
    1117: Fault.card_silent,  # Windows: an I/O device error
    0x80100065: Fault.not_a_thai_id,  # W_UNSUPPORTED_CARD
    0x8010000F: Fault.not_a_thai_id,  # E_PROTO_MISMATCH: neither T=0 nor T=1
    UNKNOWN_READER: Fault.reader_gone,
    0x80100017: Fault.reader_gone,  # E_READER_UNAVAILABLE
    NO_READERS: Fault.reader_gone,
    22: Fault.reader_gone,  # Windows: the device does not recognise the command
    1167: Fault.reader_gone,  # Windows: the device is not connected
    0x80100001: Fault.service_gone,  # F_INTERNAL_ERROR
    0x80100003: Fault.service_gone,  # E_INVALID_HANDLE: of a service that is no more
    0x80100013: Fault.service_gone,  # F_COMM_ERROR, with the service
    0x80100018: Fault.service_gone,  # P_SHUTDOWN
    0x8010001D: Fault.service_gone,  # E_NO_SERVICE
    0x8010001E: Fault.service_gone,  # E_SERVICE_STOPPED
    0x80100012: Fault.service_gone,  # E_SYSTEM_CANCELLED: Windows shuts down, or signs out
    0x8010006A: Fault.service_gone,  # W_SECURITY_VIOLATION: polkit's no; also of a pcscd that ends
    6: Fault.service_gone,  # Windows: the handle is invalid
    1722: Fault.service_gone,  # Windows: the RPC server is unavailable
    TIMEOUT: Fault.timed_out,
    CANCELLED: Fault.cancelled,
}
_NO_SUCH_READER = (UNKNOWN_READER, NO_READERS)
_NOT_NOW = frozenset({Fault.reader_busy, Fault.reader_gone, Fault.service_gone})
"""Why a reader cannot say who it is that may pass, or take the reader with it."""


class NoPyscard(RuntimeError):
    """The bridge was installed without what it speaks to PC/SC with."""


@cache
def _scard() -> Any:
    try:
        from smartcard import scard
    except ImportError as error:
        raise NoPyscard(
            "ยังไม่ได้ติดตั้ง pyscard หรือไลบรารี PC/SC: pip install 'superapp[bridge]' · "
            f"pyscard or the PC/SC library is not installed ({error})"
        ) from error
    return scard


def _check(call: str, code: int) -> None:
    """Raises CardFault for every code but success."""
    code &= 0xFFFFFFFF
    if code != OK:
        raise CardFault(FAULTS.get(code, Fault.failed), f"{call} {code:#010x}")


class Pcsc:
    """A `CardPort` and a `StatePort`. For any number of threads. Raises NoPyscard when made.

    Contexts are kept for the next connection: a new one takes the service longer than a READ.
    """

    def __init__(self) -> None:
        self._scard = _scard()
        self._lock = threading.Lock()
        self._idle: list[int] = []

    @contextmanager
    def connect(self, reader: str) -> Iterator[_Transaction]:
        context, card, protocol = self._begun(reader)
        healthy = False
        try:
            yield _Transaction(self._scard, context, card, protocol, reader)
            healthy = True
        finally:
            # LEAVE always: a reset after an error wedges some readers' slots.
            self._scard.SCardEndTransaction(card, self._scard.SCARD_LEAVE_CARD)
            self._scard.SCardDisconnect(card, self._scard.SCARD_LEAVE_CARD)
            self._done_with(context, healthy)

    @contextmanager
    def open(self) -> Iterator[States]:
        context = self._fresh_context()
        states = _States(self._scard, context)
        try:
            yield states
        finally:
            states.close()

    def identity(self, reader: str) -> Identity | None:
        scard = self._scard
        try:
            context = self._fresh_context()
        except CardFault:
            return None
        try:
            # Direct: there need be no card, and one that is there is not powered up. On Windows
            # that is for one program alone; beside others, who share the card, it can be asked too.
            for share, protocols in (
                (scard.SCARD_SHARE_DIRECT, 0),
                (scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1),
            ):
                code, card, _ = scard.SCardConnect(context, reader, share, protocols)
                if code == OK:
                    return self._told(card)
                if code & 0xFFFFFFFF != SHARING:
                    break
            return None if FAULTS.get(code & 0xFFFFFFFF) in _NOT_NOW else Identity()
        finally:
            scard.SCardReleaseContext(context)

    def _told(self, card: int) -> Identity:
        """What the reader of that connection says; lets it go."""
        try:
            vendor, model, serial = (self._attribute(card, a) for a in (VENDOR, MODEL, SERIAL))
            return Identity(serial, " ".join(filter(None, (vendor, model)))[:100] or None)
        finally:
            self._scard.SCardDisconnect(card, self._scard.SCARD_LEAVE_CARD)

    def _begun(self, reader: str) -> tuple[int, int, int]:
        """Context, card, protocol of a connection whose transaction has begun. Raises CardFault.

        Nothing of the card was read yet, so what another program did to it in this moment (it
        holds it for itself, or reset it between our two calls) is no fault: from the beginning.
        """
        tries = 0
        while True:
            with self._lock:
                context = self._idle.pop() if self._idle else None
            kept = context is not None
            if context is None:
                context = self._fresh_context()
            call, code, card, protocol = self._begin(context, reader)
            if code == OK:
                return context, card, protocol
            fault = FAULTS.get(code)
            self._done_with(context, fault is Fault.reader_busy)
            if kept and fault is Fault.service_gone:
                continue  # a context of a service that has restarted since
            tries += 1
            if fault is Fault.reader_busy and tries < BUSY_TRIES:
                time.sleep(BUSY_STEP)
                continue
            _check(call, code)

    def _begin(self, context: int, reader: str) -> tuple[str, int, int, int]:
        """The call that was the last one and its code; nothing is left open unless it is OK."""
        scard = self._scard
        code, card, protocol = scard.SCardConnect(
            context,
            reader,
            scard.SCARD_SHARE_SHARED,
            scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1,
        )
        if code != OK:
            return "SCardConnect", code & 0xFFFFFFFF, 0, 0
        code = scard.SCardBeginTransaction(card) & 0xFFFFFFFF
        if code != OK:
            scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
        return "SCardBeginTransaction", code, card, protocol

    def _fresh_context(self) -> int:
        code, context = self._scard.SCardEstablishContext(self._scard.SCARD_SCOPE_USER)
        _check("SCardEstablishContext", code)
        return int(context)

    def _done_with(self, context: int, healthy: bool) -> None:
        if healthy:
            with self._lock:
                self._idle.append(context)
        else:
            self._scard.SCardReleaseContext(context)

    def _attribute(self, card: int, attribute: int) -> str | None:
        code, value = self._scard.SCardGetAttrib(card, attribute)
        if code != OK or not value:
            return None
        said = bytes(value).split(b"\x00")[0].decode("utf-8", "replace").strip()
        return "".join(character for character in said if character.isprintable())[:100] or None


class _Transaction:
    def __init__(self, scard: Any, context: int, card: int, protocol: int, reader: str) -> None:
        self._scard, self._context, self._card = scard, context, card
        self._protocol, self._reader = protocol, reader
        self._send = scard.SCardTransmit

    def transmit(self, apdu: bytes) -> tuple[bytes, int, int]:
        code, answer = self._send(self._card, self._protocol, list(apdu))
        if code:
            _check("SCardTransmit", code)
        if len(answer) < 2:
            # What a card that was pulled out in mid-word looks like; PC/SC calls it a success.
            there = self.state().present
            raise CardFault(
                Fault.card_silent if there else Fault.card_removed, "SCardTransmit: no answer"
            )
        sw2, sw1 = answer.pop(), answer.pop()
        return bytes(answer), sw1, sw2

    def state(self) -> ReaderState:
        code, states = self._scard.SCardGetStatusChange(self._context, 0, [(self._reader, 0)])
        if code & 0xFFFFFFFF != TIMEOUT:
            _check("SCardGetStatusChange", code)
        _, raw, atr = states[0]
        return _state(raw, atr)


class _States:
    def __init__(self, scard: Any, context: int) -> None:
        self._scard, self._context = scard, context
        self._lock = threading.Lock()
        self._closed = False
        self._plugged = 0
        code, states = scard.SCardGetStatusChange(context, 0, [(PLUG_AND_PLAY, 0)])
        code &= 0xFFFFFFFF
        if code not in (TIMEOUT, *_NO_SUCH_READER):
            _check("SCardGetStatusChange", code)
        self.plug_and_play = code not in _NO_SUCH_READER and not states[0][1] & UNKNOWN

    def readers(self) -> list[str]:
        code, names = self._scard.SCardListReaders(self._context, [])
        if code & 0xFFFFFFFF == NO_READERS:
            return []
        _check("SCardListReaders", code)
        return list(names)

    def changes(self, known: Mapping[str, ReaderState], seconds: float) -> dict[str, ReaderState]:
        asked = [(name, state.raw & ~CHANGED, list(state.atr)) for name, state in known.items()]
        if len(asked) < MOST:
            if self.plug_and_play:
                asked.append((PLUG_AND_PLAY, self._plugged, []))
        else:
            seconds = min(seconds, CROWDED)
        if not asked:
            time.sleep(seconds)
            return {}
        groups = [asked[at : at + MOST] for at in range(0, len(asked), MOST)]
        got = {**known}
        for group in groups:
            states = self._wait(group, seconds / len(groups))
            if states is None:
                break
            for name, raw, atr in states:
                if name == PLUG_AND_PLAY:
                    self._plugged = raw & ~CHANGED
                else:
                    got[name] = _state(raw, atr)
        return got

    def _wait(
        self, asked: list[tuple[str, int, list[int]]], seconds: float
    ) -> list[tuple[str, int, list[int]]] | None:
        """One call of PC/SC; None when it was cancelled, or a reader left meanwhile."""
        milliseconds = max(1, round(seconds * 1000))
        code, states = self._scard.SCardGetStatusChange(self._context, milliseconds, asked)
        code &= 0xFFFFFFFF
        if code == CANCELLED or code in _NO_SUCH_READER:
            return None
        if code != TIMEOUT:
            _check("SCardGetStatusChange", code)
        return list(states)

    def cancel(self) -> None:
        with self._lock:
            if not self._closed:
                self._scard.SCardCancel(self._context)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._scard.SCardReleaseContext(self._context)


def _state(raw: int, atr: list[int]) -> ReaderState:
    return ReaderState(raw & 0xFFFFFFFF & ~CHANGED, bytes(atr))
