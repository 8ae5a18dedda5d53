"""What is said on the line to the server, over a WebSocket and by HTTP alike.

The bridge opens no port. A line that breaks is made again (`keeping`) after a random while that
grows (`retries`): after an outage the whole fleet comes back spread over minutes, one PC with a
loose cable within seconds. What was stated goes out in order from the journal, and again until its
receipt is here.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import msgspec

from reader_bridge import messages, texts
from reader_bridge.agent import Agent
from reader_bridge.device.folder import Configuration, Unusable
from reader_bridge.fields import Fault
from reader_bridge.line.endings import Busy, Over, Stuck, Unknown
from reader_bridge.line.retries import Retries
from reader_bridge.line.rotation import Rotation
from reader_bridge.messages import (
    Arm,
    Asked,
    Asking,
    Challenge,
    Ended,
    FromBridge,
    FromServer,
    Hello,
    Kind,
    Missing,
    NotSigned,
    NotTaken,
    Photographed,
    Progress,
    ReaderSeen,
    ReadersNow,
    Receipt,
    ServerKeys,
    Signed,
    Stated,
    Tickets,
    Welcome,
)
from reader_bridge.server_keys import Foreign, followed

log = logging.getLogger("reader_bridge.line.link")
QUEUE: Final = 200
NONE: Final = Tickets(())
"""What takes leave away needs no signature."""
AGAIN: Final = 5
"""So often one statement may be asked for on one connection."""


class Link:
    """The device's end of it. `readers` are those that are attached now."""

    def __init__(
        self, configuration: Configuration, agent: Agent, rotation: Rotation, software: str
    ) -> None:
        self.configuration, self.agent, self.rotation = configuration, agent, rotation
        self.journal, self.software = agent.stating.journal, software
        self.starts = 0
        self.readers: Callable[[], Iterable[ReaderSeen]] = tuple
        self.fresh = asyncio.Event()
        self.retries = Retries()
        self._out: deque[FromBridge] = deque(maxlen=QUEUE)
        self._readers_due = False
        self._sent = 0
        self._hello = b""
        self._shown: ServerKeys | None = None
        self._asked_again: dict[int, int] = {}
        agent.say, agent.stated = self.say, self.fresh.set

    def say(self, message: FromBridge) -> None:
        """Queues what is worth saying only now; of too much the oldest is lost."""
        if isinstance(message, ReadersNow):
            self._readers_due = True  # those that are there when it is sent
        else:
            self._out.append(message)
        self.fresh.set()

    # -- what both ways of talking need ----------------------------------------------------------

    def hello(self, challenge: Challenge, progress: Iterable[Progress] = ()) -> Signed:
        drift = abs(datetime.now(UTC) - challenge.at)
        self.note("clock", f"{drift.total_seconds():.0f}" if drift > messages.SKEW else "")
        sequence, head = self.journal.end()
        settled, settled_head = self.journal.settled()
        identity, signer = self.agent.stating.identity, self.rotation.signer
        self._readers_due = False
        said = Hello(
            audience=identity.audience,
            challenge=challenge.challenge,
            device=identity.device,
            boot=identity.boot,
            starts=self.starts,
            sequence=sequence,
            head=head,
            settled=settled,
            settled_head=settled_head,
            software=self.software,
            platform=f"{platform.system()} {platform.release()} {platform.machine()}"[:200],
            key_protection=signer.protection,
            at=datetime.now(UTC),
            readers=list(self.readers())[:64],
            progress=list(progress)[-messages.MOST_PROGRESS :],
        )
        signed = messages.sign(signer.private, Kind.hello, said)
        self._hello = signed.sha256
        return signed

    def begun(self, welcome: FromServer, by: str) -> None:
        """Raises as `heard` does, and as the journal. What waits is neither told nor forgotten to
        anybody who is not our server."""
        if not isinstance(welcome, Welcome):
            self.heard(welcome)
            raise Stuck("no welcome")
        self._know(welcome.keys)
        self.rotation.welcomed()
        if not self.journal.settle_until(welcome.sequence, welcome.head):
            raise _parted("it does not have what this device has stated")
        self._sent = welcome.sequence
        self.retries.welcomed(welcome.spread_s, by_socket=by == "WebSocket")
        self._asked_again.clear()
        kept = [message for message in self._out if isinstance(message, Photographed)]
        self._out = deque(kept, QUEUE)  # how far an intent was is told anew when it is armed anew
        self.fresh.set()
        self.note("connected", f"{datetime.now(UTC).isoformat(timespec='seconds')} {by}")
        self.note("error", "")
        self.note("ended", "")
        log.info("connected by %s", by)

    def outgoing(self, limit: int = 50) -> list[FromBridge]:
        """What is to be sent now, statements first. Raises as the journal does."""
        found: list[FromBridge] = list(self._unsent(limit))
        if self._readers_due and len(found) < limit:
            self._readers_due = False
            found.append(ReadersNow(list(self.readers())[:64]))
        while self._out and len(found) < limit:
            found.append(self._out.popleft())
        if len(found) == limit:
            self.fresh.set()  # there may be more
        return found

    def _unsent(self, limit: int) -> list[Stated]:
        found = self.journal.waiting(self._sent, limit)
        if found:
            self._sent = found[-1].sequence
        return [one.stated for one in found]

    def heard(self, message: FromServer) -> None:
        """Raises `Over`, `Unknown`, `Stuck`, `Foreign`, and as the journal does."""
        match message:
            case Receipt(sequence=sequence, sha256=sha256):
                if not self.journal.settle(sequence, sha256):
                    raise _parted("it has another statement of this number")
                if message.refused:
                    log.warning("statement %d refused: %s", sequence, message.refused)
                self.agent.heard(message)
            case Missing(sequence=sequence):
                self._send_again(sequence)
            case Ended(code="elsewhere"):
                raise Busy("this device has connected from elsewhere")
            case Ended(code="unknown"):
                raise Unknown(_ended("unknown"))
            case Ended(code=code):
                raise Over(_ended(code))
            case NotTaken(code=code):
                log.warning("not taken: %s", code)
            case Welcome(keys=keys):  # every answer by HTTP begins with one
                self._know(keys)
            case Asked():
                self._asked(message)
            case Arm() | Tickets() if message != NONE:
                raise not_asked()
            case _:
                self.agent.heard(message)

    def _know(self, shown: ServerKeys) -> None:
        """Looks whether it is our server: at each change, for its keys are long the same. A device
        of before the pin sends what it has, and reads nothing. Raises `Foreign`."""
        stating = self.agent.stating
        if stating.pin is None:
            log.error("%s", texts.fault(Fault.server_not_pinned))
        elif shown != self._shown:
            stating.pin = followed(stating.pin, shown, stating.identity.audience)
            self.journal.remember(stating.pin)
            self._shown = shown

    def _asked(self, asked: Asked) -> None:
        """Raises `Foreign` where it was not our server that asked, or not now."""
        pin = self.agent.stating.pin
        try:
            if pin is None:  # the officer's screen is told why nothing is read
                said = msgspec.json.decode(asked.body, type=Asking)
            else:
                signed = Signed(asked.body, asked.signature)
                said = messages.opened(pin.public, Kind.asked, signed, Asking)
        except (NotSigned, msgspec.MsgspecError, RecursionError):
            raise not_asked() from None
        if said.hello != self._hello:
            raise not_asked()
        if pin is not None or isinstance(said.message, Arm):
            self.agent.heard(said.message)

    def _send_again(self, sequence: int) -> None:
        first = self.journal.waiting(limit=1)
        if not first or first[0].sequence > sequence:
            raise _parted("it lacks one that is not here any more")
        if self._sent < sequence:
            return  # it is on its way already
        self._asked_again[sequence] = self._asked_again.get(sequence, 0) + 1
        if self._asked_again[sequence] > AGAIN:
            raise Stuck("the server does not take statement after statement")
        self._sent = sequence - 1
        self.fresh.set()

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.configuration.ca_file or None)

    def note(self, name: str, value: str) -> None:
        """For `reader-bridge status`; never what was read, and never worth a fault."""
        with suppress(Unusable):
            self.journal.note(name, value)


def not_asked() -> Foreign:
    return Foreign(
        "มีผู้ขออ่านบัตรโดยไม่มีลายเซ็นของแม่ข่าย จึงไม่อ่าน กรุณาแจ้งผู้ดูแลระบบ (a card was asked for, or leave to "
        "read one given, without the server's signature over this connection: nothing is read; "
        "somebody stands in between, tell whoever runs the server)"
    )


def _parted(how: str) -> Over:
    """Either end was put back to an older state."""
    return Over(
        "ประวัติของเครื่องนี้ไม่ตรงกับแม่ข่าย กรุณาแจ้งผู้ดูแลและลงทะเบียนใหม่ (this device's history is not "
        f"what the server has of it: {how}; tell whoever looks after it, and enrol it anew)"
    )


def _ended(code: str) -> str:
    thai = {"frozen": "ระงับ", "revoked": "เพิกถอน"}.get(code)
    if thai is None:
        return f"แม่ข่ายไม่รู้จักเครื่องนี้ กรุณาลงทะเบียนใหม่ (not known to the server: {code}; enrol it anew)"
    return (
        f"แม่ข่าย{thai}เครื่องนี้แล้ว กรุณาติดต่อผู้ดูแลและลงทะเบียนใหม่ "
        f"(this device is {code}; ask who looks after it, then enrol it anew)"
    )
