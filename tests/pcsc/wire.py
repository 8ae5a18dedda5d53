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
    name in PC/SC.
    """

    def __init__(self, name: str, port: int, namespace: Callable[[], int | None]) -> None:
        self.name, self.port = name, port
        self._namespace = namespace
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.card: VirtualCard | None = None
        self.inserted_at = 0.0  # time.monotonic() of the last insertion

    def insert(self, card: VirtualCard) -> VirtualCard:
        """Put `card` in; a card that is in is taken out first."""
        self.remove()
        self._put(card)
        self._thread = threading.Thread(
            target=self._serve, name=f"card in {self.name}", daemon=True
        )
        self._thread.start()
        return card

    def remove(self) -> None:
        """Take the card out, if one is in; from then on it answers nothing."""
        with self._lock:
            self.card = None
            if self._line is not None:
                self._hang_up(self._line)
        if self._thread not in {None, threading.current_thread()}:
            assert self._thread is not None
            self._thread.join(5)

    def _put(self, card: VirtualCard) -> None:
        card.inserted()
        self.card, self.inserted_at = card, time.monotonic()

    @staticmethod
    def _hang_up(line: socket.socket) -> None:
        with suppress(OSError):  # the reader was quicker
            line.shutdown(socket.SHUT_RDWR)
        line.close()

    def _serve(self) -> None:
        mine = self.card
        while mine is not None and self.card is mine:
            line = self._connect()
            if line is None:
                time.sleep(0.02)
                continue
            with self._lock:
                if self.card is not mine:
                    return self._hang_up(line)
                self._line = line
            try:
                converse(line, mine)
            except CardPulled as pulled:
                with self._lock:
                    if self.card is mine:
                        self.card = None
                        if pulled.then is not None:
                            self._put(pulled.then)
                            mine = pulled.then
            except OSError:
                pass  # the PC/SC service ended, or the card was taken out
            with self._lock:
                self._line = None
                self._hang_up(line)
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
