"""The rig itself: real `pcscd`s give what lies in each reader, and the traps of PC/SC are there."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import statistics
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.pcsc import wire
from tests.pcsc.bare_read import reading
from tests.pcsc.conftest import RigMaker
from tests.pcsc.faults import after, pull, slow
from tests.pcsc.other_program import OtherProgram
from tests.pcsc.people import SAMPLE, filled, person
from tests.pcsc.rig import FIRST_PORT, Rig, Service
from tests.pcsc.virtual_card import ATRS, VirtualCard

# What PC/SC answers.
GOOD, HELD_BY_ANOTHER, NOT_TRANSACTED = 0x0, 0x8010000B, 0x80100016
NO_SERVICE, NO_CARD, WAS_RESET, WAS_REMOVED = 0x8010001D, 0x8010000C, 0x80100068, 0x80100069


def count_of_changes(program: OtherProgram, reader: str) -> int:
    return program.state(reader)[1] >> 16


def bare(service: Service, *arguments: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        service.run("-m", "tests.pcsc.bare_read", *arguments).stdout
    )
    return found


def cids_read(service: Service, rounds: int) -> list[list[str]]:
    """What a program reads as the CID in each reader, `rounds` times over."""
    program, apdus = OtherProgram(service), reading(names=())
    found = []
    for slot in service.slots:
        program.wait(slot.name)
    for _ in range(rounds):
        for slot in service.slots:
            assert program.connect(slot.name) == GOOD
            code, answers = program.transmit(*apdus)
            assert code == GOOD and program.disconnect() == GOOD
            first, last = answers[6][:13].decode(), answers[-2][:13].decode()
            assert first == last
            found.append([slot.name, first])
    return found


def cids_inserted(service: Service, rounds: int) -> list[list[str]]:
    inserted = [[slot.name, str(slot.card.person.cid)] for slot in service.slots if slot.card]
    assert len(inserted) == len(service.slots)
    return inserted * rounds


@pytest.mark.parametrize("version", ["0003", "0002"])
def test_a_whole_card_comes_through_a_real_reader_byte_for_byte(rig: Rig, version: str) -> None:
    one, apdus = filled(SAMPLE), reading(photo=True, version=version)
    one = one if version == "0003" else SAMPLE
    there, here = VirtualCard(one, version=version), VirtualCard(one, version=version)
    rig.insert(there)
    program, reader = OtherProgram(rig[0]), rig[0].slots[0].name
    program.wait(reader)
    assert program.state(reader)[2] == ATRS["3B79"].hex()
    assert program.connect(reader) == program.begin() == GOOD
    code, answers = program.transmit(*apdus)
    assert code == GOOD and answers == [here.respond(apdu) for apdu in apdus]
    assert one.field("photo", 5118) in b"".join(answer[:-2] for answer in answers)
    assert program.end() == program.disconnect() == GOOD
    assert there.seen == apdus


def test_the_bare_reading_sends_what_another_program_sent(rig: Rig, tmp_path: Path) -> None:
    card = rig.insert(VirtualCard())
    first = bare(rig[0], "--photo")
    (tmp_path / "seen").write_text("\n".join(apdu.hex() for apdu in card.seen))
    rig.insert(VirtualCard())
    assert bare(rig[0], "--apdus", str(tmp_path / "seen"))["sha256"] == first["sha256"]
    here = VirtualCard()
    data = b"".join(here.transmit(apdu)[0] for apdu in reading(photo=True))
    assert hashlib.sha256(data).hexdigest() == first["sha256"]


def test_sixteen_readers_of_one_service_give_each_its_own_card(new_rig: RigMaker) -> None:
    (service,) = new_rig(16)
    for number, slot in enumerate(service.slots):
        slot.insert(VirtualCard(person(number)))
    assert OtherProgram(service).readers() == [slot.name for slot in service.slots]
    assert cids_read(service, 3) == cids_inserted(service, 3)


def test_48_readers_of_three_services_are_read_at_once_and_never_mixed(new_rig: RigMaker) -> None:
    rig = new_rig(16, services=3)
    for number, slot in enumerate(slot for service in rig for slot in service.slots):
        slot.insert(VirtualCard(person(number)))
    found: dict[int, list[list[str]]] = {}

    def work(number: int) -> None:
        found[number] = cids_read(rig[number], 3)

    desks = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for desk in desks:
        desk.start()
    for desk in desks:
        desk.join()
    assert found == {number: cids_inserted(rig[number], 3) for number in range(3)}
    assert len({cid for lists in found.values() for _, cid in lists}) == 48


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_card_stays_in_while_the_service_is_ended_and_started(
    rig: Rig, how: signal.Signals
) -> None:
    rig.insert(VirtualCard())
    program, reader = OtherProgram(rig[0]), rig[0].slots[0].name
    program.wait(reader)
    assert program.connect(reader) == GOOD
    rig[0].down(how)
    assert program.transmit(*reading())[0] != GOOD
    assert program.state(reader)[0] == NO_SERVICE and program.establish() == NO_SERVICE
    rig[0].up()
    assert program.establish() == GOOD
    program.wait(reader)
    assert program.connect(reader) == GOOD
    code, answers = program.transmit(*reading())
    assert code == GOOD and answers[6][:13].decode() == SAMPLE.cid


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_service_that_ends_mid_read_ends_the_reading(rig: Rig, how: signal.Signals) -> None:
    card = rig.insert(VirtualCard(SAMPLE, slow(20)))
    program, reader = OtherProgram(rig[0]), rig[0].slots[0].name
    program.wait(reader)
    assert program.connect(reader) == program.begin() == GOOD
    ending = threading.Timer(0.2, rig[0].down, args=(how,))
    ending.start()
    code, answers = program.transmit(*reading())
    ending.join()
    assert code != GOOD and 0 < len(answers) < len(reading())
    rig[0].up()
    assert rig[0].slots[0].card is card


def test_a_card_pulled_mid_read_ends_the_reading_and_its_going_is_told(rig: Rig) -> None:
    rig.insert(VirtualCard(SAMPLE, after(7, pull())))
    program, slot = OtherProgram(rig[0]), rig[0].slots[0]
    program.wait(slot.name)
    assert program.connect(slot.name) == program.begin() == GOOD
    code, answers = program.transmit(*reading())
    assert code == NOT_TRANSACTED and slot.card is None
    assert len(answers) == 8 and answers[7] == b"", "the APDU itself succeeds, with nothing"
    program.wait(slot.name, present=False)
    program.disconnect()
    assert program.connect(slot.name) == NO_CARD
    slot.insert(VirtualCard(person(1)))
    program.wait(slot.name)
    assert program.connect(slot.name) == GOOD


def test_a_card_changed_by_hand_is_told_and_its_connection_is_dead(rig: Rig) -> None:
    rig.insert(VirtualCard(SAMPLE, after(7, pull(VirtualCard(person(1))))))
    program, slot = OtherProgram(rig[0]), rig[0].slots[0]
    program.wait(slot.name)
    before = count_of_changes(program, slot.name)
    assert program.connect(slot.name) == GOOD
    assert program.transmit(*reading())[0] == NOT_TRANSACTED
    program.wait(slot.name, present=False)
    program.wait(slot.name)
    assert count_of_changes(program, slot.name) == before + 2
    assert program.transmit(*reading())[0] == WAS_REMOVED
    assert slot.card is not None and slot.card.person == person(1)


def test_a_card_changed_between_two_looks_of_the_service_is_never_told(rig: Rig) -> None:
    """The trap: the connection goes on, with another person's card at its end."""
    rig[0].slots[0].hand = 0
    rig.insert(VirtualCard(SAMPLE, after(7, pull(VirtualCard(person(1))))))
    program, slot = OtherProgram(rig[0]), rig[0].slots[0]
    program.wait(slot.name)
    before = count_of_changes(program, slot.name)
    assert program.connect(slot.name) == program.begin() == GOOD
    code, answers = program.transmit(*reading())
    assert code == NOT_TRANSACTED and answers[6][:13].decode() == SAMPLE.cid
    end = time.monotonic() + 5
    while program.transmit(*reading()[:1])[0] != GOOD and time.monotonic() < end:
        time.sleep(0.02)
    code, others = program.transmit(*reading())
    assert code == GOOD and others[6][:13].decode() == person(1).cid
    assert count_of_changes(program, slot.name) == before
    assert answers[0] != others[0], "the chip's serial number is all that tells"


def test_a_program_that_holds_the_card_alone_shuts_others_out(rig: Rig) -> None:
    rig.insert(VirtualCard())
    one, other, reader = OtherProgram(rig[0]), OtherProgram(rig[0]), rig[0].slots[0].name
    one.wait(reader)
    assert other.connect(reader, exclusive=True) == GOOD
    assert one.connect(reader) == HELD_BY_ANOTHER
    assert other.disconnect() == one.connect(reader) == GOOD
    assert other.connect(reader, exclusive=True) == HELD_BY_ANOTHER


def test_another_programs_transaction_makes_connecting_wait_for_its_end(rig: Rig) -> None:
    rig.insert(VirtualCard())
    one, other, reader = OtherProgram(rig[0]), OtherProgram(rig[0]), rig[0].slots[0].name
    one.wait(reader)
    assert other.connect(reader) == other.begin() == GOOD
    ending = threading.Timer(0.6, other.end)
    ending.start()
    begun = time.monotonic()
    assert one.connect(reader) == GOOD
    assert time.monotonic() - begun > 0.4
    ending.join()


def test_another_programs_reset_is_told_to_whoever_was_reading(rig: Rig) -> None:
    rig.insert(VirtualCard())
    one, other, reader = OtherProgram(rig[0]), OtherProgram(rig[0]), rig[0].slots[0].name
    one.wait(reader)
    assert one.connect(reader) == other.connect(reader) == other.disconnect(reset=True) == GOOD
    assert one.transmit(*reading()) == (WAS_RESET, [])


def test_a_card_that_does_not_acknowledge_at_once_stalls_every_apdu(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trap: 40 ms of delayed acknowledgement an APDU, where it takes a tenth of one."""

    def reading_ms(rounds: int) -> float:
        rig.insert(VirtualCard())
        times = bare(rig[0], "--rounds", str(rounds))["ms"]
        return statistics.median(times)  # type: ignore[arg-type]

    quick = reading_ms(5)
    monkeypatch.setattr(wire, "QUICKACK", None)
    assert reading_ms(1) > 10 * quick


def test_times_of_a_card_are_in_the_order_they_happen(rig: Rig) -> None:
    begun = time.monotonic()
    card = rig.insert(VirtualCard())
    bare(rig[0])
    assert begun < card.noticed_at < card.began_at < card.ended_at < time.monotonic()


def test_a_virtual_reader_listens_in_its_namespace_alone(rig: Rig) -> None:
    rig.insert(VirtualCard())
    OtherProgram(rig[0]).wait(rig[0].slots[0].name)
    with socket.socket() as line:
        assert line.connect_ex(("127.0.0.1", FIRST_PORT)) != 0


def test_a_closed_rig_leaves_no_process_and_no_file(new_rig: RigMaker) -> None:
    rig = new_rig(2, services=2)
    rig.insert(VirtualCard(SAMPLE, slow(5)))
    running = [service.process for service in rig] + [rig[0].start("-c", "input()")]
    rig.close()
    assert all(isinstance(p, subprocess.Popen) and p.returncode is not None for p in running)
    assert not rig[0].socket.parent.parent.parent.exists()
    assert not [t.name for t in threading.enumerate() if t.name.startswith("card in")]
