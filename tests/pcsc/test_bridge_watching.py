"""The bridge's watcher at a real PC/SC service: what comes and goes is seen, the thread never dies.

pcscd takes up and lets go of USB readers only, so readers come and go here with a restart of the
service; a reader unplugged while it runs is tried on the scripted ones.
"""

from __future__ import annotations

import signal
import time

import pytest

from tests.pcsc.card_program import Bridge
from tests.pcsc.conftest import RigMaker
from tests.pcsc.other_program import OtherProgram
from tests.pcsc.people import person
from tests.pcsc.rig import Rig, Service
from tests.pcsc.virtual_card import VirtualCard


def names(bridge: Bridge) -> list[str]:
    return [reader["name"] for reader in bridge.events("ReadersChanged")[-1]["readers"]]


def with_readers(service: Service, count: int) -> None:
    """End the service and start it with the first `count` readers (an even number)."""
    service.down()
    conf = service._folder / "reader.conf"
    whole = conf.with_suffix(".whole")
    if not whole.exists():
        conf.rename(whole)
    conf.write_text("\n".join(whole.read_text().split("\n\n")[: count // 2]) + "\n")
    service.up()


def test_a_card_is_seen_to_come_and_go(rig: Rig) -> None:
    bridge, slot = Bridge(rig[0]), rig[0].slots[1]
    for number in (1, 2, 3):
        slot.insert(VirtualCard(person(number)))
        got = bridge.event("Inserted", number=number)
        assert got["reader"] == slot.name and got["fresh"]
        slot.remove()
        assert bridge.event("Removed", number=number)["insertion"] == got["insertion"]
    assert len({one["insertion"] for one in bridge.events("Inserted")}) == 3


@pytest.mark.parametrize("exclusive", [False, True], ids=["transaction", "exclusive"])
def test_a_reader_held_by_another_program_is_announced_when_it_can_say_who_it_is_and_no_sooner(
    rig: Rig, exclusive: bool
) -> None:
    rig.insert(VirtualCard())
    other, held = OtherProgram(rig[0]), rig[0].slots[0].name
    assert other.connect(held, exclusive=exclusive) == other.begin() == 0
    bridge = Bridge(rig[0])
    bridge.event("Inserted")
    assert names(bridge) == [rig[0].slots[1].name]
    assert other.end() == other.disconnect() == 0
    bridge.event("ReadersChanged", number=2)
    assert names(bridge) == [slot.name for slot in rig[0].slots]


def test_the_doctor_names_a_reader_that_another_program_holds_and_does_not_hang_with_it(
    rig: Rig,
) -> None:
    rig.insert(VirtualCard())
    other, held = OtherProgram(rig[0]), rig[0].slots[0].name
    assert other.connect(held) == other.begin() == 0
    out = rig[0].run("-m", "tests.pcsc.doctor_program", seconds=20).stdout
    assert [line for line in out.splitlines() if line.startswith("warning")] == [f"warning {held}"]


def test_a_card_that_lay_there_before_the_bridge_is_not_fresh(rig: Rig) -> None:
    rig.insert(VirtualCard())
    first = Bridge(rig[0])
    first.event("Inserted")
    second = Bridge(rig[0])
    assert not second.event("Inserted")["fresh"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_service_that_ends_again_and_again_is_found_again_each_time(
    rig: Rig, how: signal.Signals
) -> None:
    rig.insert(VirtualCard())
    bridge = Bridge(rig[0], settled=2.0)
    bridge.event("Inserted")
    for turn in (1, 2, 3):
        rig[0].down(how)
        bridge.event("Removed", number=turn)
        bridge.event("ServiceLost", number=turn)
        rig[0].up()
        bridge.event("ServiceBack", number=turn)
        again = bridge.event("Inserted", number=turn + 1)
        assert not again["fresh"], "nobody put it in"
    assert bridge.alive()
    time.sleep(2.1)
    rig.insert(VirtualCard(person(1)))
    assert bridge.event("Inserted", number=5)["fresh"]


def test_a_service_that_is_away_for_long_is_waited_for_and_lost_only_once(rig: Rig) -> None:
    bridge = Bridge(rig[0])
    rig[0].down(signal.SIGKILL)
    bridge.event("ServiceLost")
    time.sleep(3)
    assert len(bridge.events("ServiceLost")) == 1
    rig[0].up()
    bridge.event("ServiceBack")
    rig.insert(VirtualCard())
    bridge.event("Inserted")
    assert "fault" not in bridge.read(rig[0].slots[0].name)


def test_no_service_at_the_start_is_told_and_found_when_it_comes(rig: Rig) -> None:
    rig[0].down()
    bridge = Bridge(rig[0])
    assert bridge.told[0]["event"] == "ServiceLost"
    rig[0].up()
    bridge.event("ServiceBack")
    bridge.event("ReadersChanged")
    assert names(bridge) == [slot.name for slot in rig[0].slots]


def test_readers_that_are_gone_or_new_after_a_restart_are_told_down_to_none(
    new_rig: RigMaker,
) -> None:
    service = new_rig(6)[0]
    for number, slot in enumerate(service.slots):
        slot.insert(VirtualCard(person(number)))
    bridge = Bridge(service)
    bridge.event("Inserted", number=6)
    for back, count in enumerate((2, 0, 6, 4), start=1):
        with_readers(service, count)
        bridge.event("ServiceBack", number=back)
        time.sleep(0.3)
        assert names(bridge) == [slot.name for slot in service.slots[:count]]
    lying = {one["insertion"] for one in bridge.events("Inserted")} - {
        one["insertion"] for one in bridge.events("Removed")
    }
    assert len(lying) <= 4 and bridge.alive()
