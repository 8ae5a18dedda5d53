"""A reading without the server: by the ticket of the reader that the card is put into."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
from click.testing import CliRunner, Result

from reader_bridge import at_hand
from reader_bridge.cli import main
from reader_bridge.device import folder
from reader_bridge.device.folder import Configuration
from reader_bridge.messages import Statement, Ticket
from reader_bridge.pcsc.ports import Identity
from reader_bridge.pcsc.watcher import Watcher
from tests.bridge.agents import A, B
from tests.bridge.papers import again, journal, ticket
from tests.bridge.scripted import ScriptedReaders
from tests.pcsc.people import person
from tests.pcsc.virtual_card import VirtualCard


@dataclass
class Pc:
    """A PC at two desks, whose server is away."""

    where: Path
    port: ScriptedReaders

    def given(self, *tickets: Ticket) -> None:
        kept = again(self.where)
        kept.set_tickets(tickets)
        kept.close()

    def read(
        self, *arguments: str, put: Callable[[], None] | None = None, typed: str = ""
    ) -> Result:
        """`offline-read`; meanwhile somebody puts cards in."""
        hand = threading.Thread(target=put or (lambda: None))
        hand.start()
        try:
            whole = ["--folder", str(self.where), "offline-read", *arguments]
            return CliRunner().invoke(main, whole, input=typed)
        finally:
            hand.join()

    def used(self) -> list[UUID | None]:
        kept = again(self.where)
        try:
            bodies = [one.stated.signed.body for one in kept.waiting()]
            return [msgspec.json.decode(body, type=Statement).ticket for body in bodies]
        finally:
            kept.close()

    def puts(self, *readers: str) -> Callable[[], None]:
        def put() -> None:
            for reader in readers:
                time.sleep(1.0)
                self.port.insert(reader, VirtualCard(person(1)))

        return put


@pytest.fixture
def desks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pc:
    port = ScriptedReaders(A, B)
    _, kept = journal(tmp_path)
    kept.close()
    folder.save(
        tmp_path,
        Configuration(server="https://superapp.example", device=UUID(int=1), audience="x"),
    )

    def watcher(of: ScriptedReaders, tell: Callable[[object], None]) -> Watcher:
        return Watcher(of, tell, settled=0.0)

    monkeypatch.setattr(at_hand, "Pcsc", lambda: port)
    monkeypatch.setattr(at_hand, "Watcher", watcher)
    monkeypatch.setattr(at_hand, "SETTLED", 0.1)
    monkeypatch.setattr(at_hand, "WAITS_S", 3.0)
    return Pc(tmp_path, port)


def test_of_two_desks_at_one_pc_each_uses_its_own_ticket(desks: Pc) -> None:
    here, there = ticket(reader=A, desk="โต๊ะ 1"), ticket(reader=B, desk="โต๊ะ 2")
    desks.given(here, there)
    for reader, mine in ((B, there), (A, here)):
        done = desks.read(put=desks.puts(reader))
        assert done.exit_code == 0, done.output
        assert desks.used()[-1] == mine.id
        desks.port.remove(reader)


def test_a_card_at_another_desk_than_the_tickets_is_not_read_but_told_where_to_go(
    desks: Pc,
) -> None:
    mine = ticket(reader=A, desk="โต๊ะ 1")
    desks.given(mine)
    done = desks.read(put=desks.puts(B))
    assert done.exit_code == 1 and f"โต๊ะ 1 · {A}" in done.output
    assert desks.used() == []
    done = desks.read(put=desks.puts(A))
    assert done.exit_code == 0 and desks.used() == [mine.id]


def test_a_reader_that_has_only_the_name_of_the_tickets_is_not_used(desks: Pc) -> None:
    desks.port.identities = {A: Identity("S-2"), B: Identity("S-1")}
    desks.given(ticket(reader=A, serial="S-1"))
    done = desks.read(put=desks.puts(A))
    assert done.exit_code == 1 and desks.used() == []
    desks.port.remove(A)
    desks.port.identities = {A: Identity(" S-1\0"), B: Identity("S-2")}
    assert desks.read(put=desks.puts(A)).exit_code == 0


def test_a_ticket_of_an_older_server_is_good_in_any_reader(desks: Pc) -> None:
    old = ticket()
    desks.given(old)
    assert desks.read(put=desks.puts(B)).exit_code == 0
    assert desks.used() == [old.id]


def test_a_reader_that_no_ticket_is_for_is_refused_before_a_card_is_put_in(desks: Pc) -> None:
    desks.given(ticket(reader=A))
    done = desks.read("--reader", B)
    assert done.exit_code == 1 and B in done.output
    assert desks.read("--reader", B, "--ticket", "1").exit_code == 1


def test_of_two_orders_nobody_chooses_but_the_officer(desks: Pc) -> None:
    order, other = uuid4(), uuid4()
    now = datetime.now(UTC)
    first = ticket(reader=A, about=order, expires_at=now + timedelta(hours=1))
    second = ticket(reader=A, about=other)
    desks.given(first, second)
    done = desks.read(put=desks.puts(A), typed="2\n")
    assert done.exit_code == 0, done.output
    assert order.hex[-6:] in done.output and second.code in done.output
    assert desks.used() == [second.id]


@pytest.mark.parametrize("off", [timedelta(days=-3), timedelta(days=543 * 365.25)])
def test_no_ticket_is_used_up_by_a_clock_by_which_the_server_would_refuse_it(
    desks: Pc, off: timedelta
) -> None:
    given = datetime.now(UTC) - off  # as a PC sees it whose clock is wrong by `off`
    if given.year < 1900:
        given = given.replace(year=1900)
    desks.given(ticket(reader=A, issued_at=given, expires_at=given + timedelta(hours=12)))
    done = desks.read(put=desks.puts(A))
    assert done.exit_code == 1 and "clock" in done.output
    assert desks.used() == []


def test_a_reader_whose_name_was_mistyped_is_not_told_to_be_without_a_card(desks: Pc) -> None:
    desks.port.insert(A, VirtualCard(person(1)))
    done = CliRunner().invoke(main, ["test-read", "--reader", "Sample Reeder"])
    assert done.exit_code == 1 and "reader-bridge readers" in done.output
    assert "ไม่มีบัตร" not in done.output
    done = CliRunner().invoke(main, ["test-read", "--reader", B])
    assert done.exit_code == 1 and "ไม่มีบัตร" in done.output
