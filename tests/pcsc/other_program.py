"""Another program at the same PC/SC service, told what to do line by line.

For tests: to see what PC/SC says, and to be the program that holds the card. `OtherProgram` is our
end of it; the other end is this file as a program, a call and its answer a line of JSON each.
Codes are PC/SC's, unsigned (0 is success).
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from tests.pcsc.rig import Service

PRESENT = 0x20


class OtherProgram:
    """One context and at most one connection. Every call returns when it has been done."""

    def __init__(self, service: Service) -> None:
        self._program = service.start("-m", "tests.pcsc.other_program")

    def call(self, name: str, *arguments: Any) -> Any:
        """What `_There.name` returns. Raises RuntimeError with the program's last words."""
        assert self._program.stdin is not None and self._program.stdout is not None
        self._program.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._program.stdin.flush()
        line = self._program.stdout.readline()
        if not line:
            raise RuntimeError(self._program.communicate()[1])
        return json.loads(line)

    def establish(self) -> int:
        """A new context; the old one, if any, is let go."""
        code: int = self.call("establish")
        return code

    def readers(self) -> list[str]:
        found: list[str] = self.call("readers")
        return found

    def state(self, reader: str) -> tuple[int, int, str]:
        """Code, event state with its counter (0 when the call failed), ATR as hexadecimal."""
        code, state, atr = self.call("state", reader)
        return code, state, atr

    def wait(self, reader: str, present: bool = True, seconds: float = 5) -> float:
        """Seconds until a card is (or no card is) in `reader`. Raises TimeoutError."""
        took: float | None = self.call("wait", reader, present, seconds)
        if took is None:
            raise TimeoutError(f"{reader}: still {'no' if present else 'a'} card")
        return took

    def connect(self, reader: str, exclusive: bool = False) -> int:
        code: int = self.call("connect", reader, exclusive)
        return code

    def begin(self) -> int:
        code: int = self.call("begin")
        return code

    def end(self) -> int:
        code: int = self.call("end")
        return code

    def disconnect(self, reset: bool = False) -> int:
        code: int = self.call("disconnect", reset)
        return code

    def resets(self, reader: str, times: int) -> None:
        """Connect, begin, end with a reset, let go; so often, at once after each other."""
        self.call("resets", reader, times)

    def transmit(self, *apdus: bytes) -> tuple[int, list[bytes]]:
        """The last code, and every answer up to it."""
        code, answers = self.call("transmit", [apdu.hex() for apdu in apdus])
        return code, [bytes.fromhex(answer) for answer in answers]


class _There:
    def __init__(self) -> None:
        from smartcard import scard

        self.pcsc, self.context, self.card = scard, None, None
        self.establish()

    def establish(self) -> int:
        if self.context is not None:
            self.pcsc.SCardReleaseContext(self.context)
        code, context = self.pcsc.SCardEstablishContext(self.pcsc.SCARD_SCOPE_USER)
        self.context = context if code == 0 else None  # what fails gives one that cannot be used
        return int(code)

    def readers(self) -> list[str]:
        return list(self.pcsc.SCardListReaders(self.context, [])[1])

    def state(self, reader: str, known: int = 0, patience: int = 0) -> tuple[int, int, str]:
        code, states = self.pcsc.SCardGetStatusChange(self.context, patience, [(reader, known)])
        return (code, states[0][1], bytes(states[0][2]).hex()) if states else (code, 0, "")

    def wait(self, reader: str, present: bool, seconds: float) -> float | None:
        begun, known = time.monotonic(), 0
        while (past := time.monotonic() - begun) < seconds:
            code, known, _ = self.state(reader, known, 100)
            if code not in {0, self.pcsc.SCARD_E_TIMEOUT & 0xFFFFFFFF, self.pcsc.SCARD_E_TIMEOUT}:
                self.establish()
                time.sleep(0.02)
            elif bool(known & PRESENT) == present:
                return past
        return None

    def connect(self, reader: str, exclusive: bool) -> int:
        share = self.pcsc.SCARD_SHARE_EXCLUSIVE if exclusive else self.pcsc.SCARD_SHARE_SHARED
        protocol = self.pcsc.SCARD_PROTOCOL_T0
        code, self.card, self.protocol = self.pcsc.SCardConnect(
            self.context, reader, share, protocol
        )
        return int(code)

    def begin(self) -> int:
        return int(self.pcsc.SCardBeginTransaction(self.card))

    def end(self) -> int:
        return int(self.pcsc.SCardEndTransaction(self.card, self.pcsc.SCARD_LEAVE_CARD))

    def disconnect(self, reset: bool) -> int:
        how = self.pcsc.SCARD_RESET_CARD if reset else self.pcsc.SCARD_LEAVE_CARD
        return int(self.pcsc.SCardDisconnect(self.card, how))

    def resets(self, reader: str, times: int) -> None:
        for _ in range(times):
            if self.connect(reader, False) == 0:
                self.begin()
                self.pcsc.SCardEndTransaction(self.card, self.pcsc.SCARD_RESET_CARD)
                self.disconnect(False)

    def transmit(self, apdus: list[str]) -> tuple[int, list[str]]:
        answers: list[str] = []
        for apdu in apdus:
            code, answer = self.pcsc.SCardTransmit(
                self.card, self.protocol, list(bytes.fromhex(apdu))
            )
            if code:
                return code, answers
            answers.append(bytes(answer).hex())
        return 0, answers


def main() -> None:
    there = _There()
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        answer = getattr(there, name)(*arguments)
        if isinstance(answer, tuple):
            answer = [answer[0] & 0xFFFFFFFF, *answer[1:]]
        elif isinstance(answer, int):
            answer &= 0xFFFFFFFF
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
