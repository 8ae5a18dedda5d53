"""A virtual card in a virtual reader: vpcd's protocol over TCP, from this very process.

Every message is a 2-byte big-endian length and a body. A body of one byte is for the reader's
hand: 0 off, 1 on, 2 reset (no answer), 4 the ATR. Longer bodies are APDUs.
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from tests.pcsc.virtual_card import CardPulled, VirtualCard

OFF, ON, RESET, ATR = 0, 1, 2, 4
CLONE_NEWNET = 0x40000000
QUICKACK = getattr(socket, "TCP_QUICKACK", None)


class Slot:
    """One reader's slot. `namespace` opens its network namespace anew; None while it is down.

    The card's side runs in a thread that lives in the reader's network namespace, so a card put in
    stays in through a restart of the PC/SC service, as a real one does. `name` is the reader's
    name in PC/SC; `hand` how long (seconds) it stays empty between two cards at least. pcscd looks
    every 0.4 s: what is quicker, no program is told of (a real reader's driver would).
    """

    def __init__(self, name: str, port: int, namespace: Callable[[], int | None]) -> None:
        self.name, self.port, self.hand = name, port, 0.5
        self._namespace = namespace
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._emptied_at = 0.0
        self.card: VirtualCard | None = None

    def insert(self, card: VirtualCard) -> VirtualCard:
        """Put `card` in; a card that is in is taken out first. Returns before it is noticed."""
        self.remove()
        self.card = card
        card.inserted()
        name = f"card in {self.name}"
        self._thread = threading.Thread(target=self._serve, args=(card,), name=name, daemon=True)
        self._thread.start()
        return card

    def remove(self) -> None:
        """Take the card out, if one is in; from then on it answers nothing."""
        with self._lock:
            self.card = None
            if self._line is not None:
                self._hang_up(self._line)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5)

    @staticmethod
    def _hang_up(line: socket.socket) -> None:
        with suppress(OSError):  # the reader was quicker
            line.shutdown(socket.SHUT_RDWR)
        line.close()

    def _serve(self, card: VirtualCard) -> None:
        while self.card is card:
            rest = self._emptied_at + self.hand - time.monotonic()
            if rest > 0:
                time.sleep(min(rest, 0.05))
                continue
            line = self._connect()
            if line is None:
                time.sleep(0.02)
                continue
            with self._lock:
                if self.card is not card:
                    return self._hang_up(line)
                self._line = line
            then: VirtualCard | None = card
            try:
                converse(line, card)
            except CardPulled as pulled:
                then = pulled.then
            except OSError:
                pass  # the PC/SC service ended, or the card was taken out
            with self._lock:
                self._line = None
                self._hang_up(line)
                out = self.card is not card
                if then is not card and not out:
                    out, self.card = True, then
                if out:
                    self._emptied_at = time.monotonic()
                if then is None or self.card is not then:
                    return None
            if then is not card:
                then.inserted()
                card = then
        return None

    def _connect(self) -> socket.socket | None:
        namespace = self._namespace()
        if namespace is None:
            return None
        try:
            _enter(namespace)
        finally:
            os.close(namespace)
        line = socket.socket()
        try:
            line.connect(("127.0.0.1", self.port))
        except OSError:
            line.close()
            return None
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line


def converse(line: socket.socket, card: VirtualCard) -> None:
    """Answer for `card` until the line ends (OSError) or it is pulled (CardPulled)."""
    while True:
        message = _receive(line, int.from_bytes(_receive(line, 2), "big"))
        if len(message) != 1:
            answer = card.respond(message)
        elif message[0] == ATR:
            answer = card.atr
        else:
            if message[0] in {OFF, ON, RESET}:
                card.reset()
            if message[0] == ON and not card.noticed_at:
                card.noticed_at = time.monotonic()
            continue
        line.sendall(len(answer).to_bytes(2, "big") + answer)


def _receive(line: socket.socket, count: int) -> bytes:
    """Exactly `count` bytes, acknowledged at once: else vpcd stalls 44 ms an APDU."""
    got = b""
    while len(got) < count:
        if QUICKACK is not None:
            line.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
        part = line.recv(count - len(got))
        if not part:
            raise ConnectionResetError("the reader hung up")
        got += part
    return got


def _enter(namespace: int) -> None:
    """Move this thread (and it alone) into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
