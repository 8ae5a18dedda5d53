"""The device gets a new key: the line, the journal and the folder change to it together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from reader_bridge import messages
from reader_bridge.chain.journal import Journal
from reader_bridge.device import keys
from reader_bridge.line import by_socket, rotation
from tests.bridge.lines import Pc, pc, up
from tests.bridge.papers import stating


async def rotated(at: Pc) -> None:
    at.journal.note(rotation.ASKED, "1")
    await at.until(lambda: at.journal.notes().get(rotation.DONE), 15)


async def test_a_new_key_is_taken_and_the_chain_goes_on_under_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_socket, "LOOK_S", 0.05)
    monkeypatch.setattr(by_socket, "ROTATES_S", 0.1)
    async with pc(tmp_path) as at:
        before = at.device.public
        at.state()
        async with up(at.link):
            await rotated(at)
            at.state()
            await at.until(lambda: at.journal.count() == 0)
        assert at.server.key == keys.load(tmp_path).public != before
        assert [said.sequence for said in at.server.taken] == [1, 2]
        at.journal.close()
        device, kept = rotation.opened(tmp_path)
        assert device.public == at.server.key
        kept.close()


@pytest.mark.parametrize("server_has", ["old", "new"])
async def test_a_pc_cut_off_in_the_middle_of_a_rotation_connects_with_whichever_key_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server_has: str
) -> None:
    monkeypatch.setattr(by_socket, "LOOK_S", 0.05)
    monkeypatch.setattr(by_socket, "ROTATES_S", 0.1)
    async with pc(tmp_path) as at:
        after = keys.make(tmp_path, "next", in_file=True)  # made, perhaps sent; then the power went
        if server_has == "new":
            at.server.key = after.public
        at.state()  # without the server, under the old key
        link = at.line(at.device, at.journal)
        async with up(link):
            await at.until(lambda: at.journal.notes().get(rotation.DONE), 15)
            await at.until(lambda: at.journal.count() == 0)
        assert at.server.key == after.public == keys.load(tmp_path).public
        assert [said.sequence for said in at.server.taken] == [1]


async def test_a_rotation_that_the_server_never_takes_leaves_the_old_key_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_socket, "LOOK_S", 0.05)
    monkeypatch.setattr(by_socket, "ROTATES_S", 0.05)
    async with pc(tmp_path) as at:
        at.server.loses_rotation = True
        at.journal.note(rotation.ASKED, "1")
        async with up(at.link) as line:
            await at.until(
                lambda: sum(isinstance(m, messages.Rotated) for m in at.server.heard) == 3, 15
            )
            await asyncio.sleep(0.5)
            at.state()
            await at.until(lambda: at.journal.count() == 0)
            assert not line.done()
        assert sum(isinstance(m, messages.Rotated) for m in at.server.heard) == 3
        assert keys.load(tmp_path).public == at.device.public == at.server.key


def test_cut_off_between_journal_and_folder_a_rotation_is_ended_at_the_next_start(
    tmp_path: Path,
) -> None:
    device = keys.make(tmp_path, in_file=True)
    kept = Journal(tmp_path, device, new=True)
    after = keys.make(tmp_path, "next", in_file=True)
    kept.rekey(after)
    kept.close()
    found, kept = rotation.opened(tmp_path)
    assert found.public == after.public == keys.load(tmp_path).public
    kept.close()
    rotation.opened(tmp_path)[1].close()


async def test_no_new_key_is_offered_while_a_statement_under_the_old_one_is_on_its_way(
    tmp_path: Path,
) -> None:
    async with pc(tmp_path) as at:
        at.journal.note(rotation.ASKED, "1")
        at.state()
        assert not at.link.rotation.due()
        (waiting,) = at.journal.waiting()
        at.journal.settle(waiting.sequence, waiting.sha256)
        assert at.link.rotation.due()


async def test_two_keys_that_the_server_both_refuses_are_not_tried_at_once_for_ever(
    tmp_path: Path,
) -> None:
    async with pc(tmp_path) as at:
        keys.make(tmp_path, "next", in_file=True)
        tried = rotation.Rotation(tmp_path, at.link.agent.stating)
        signers, at_once = [tried.signer.public], []
        for _ in range(rotation.TURNS + 1):
            at_once.append(tried.unknown())
            signers.append(tried.signer.public)
        assert at_once == [True] * (rotation.TURNS - 1) + [False] * 2
        assert signers[0::2] != signers[1::2] and len(set(signers)) == 2  # one and the other


@pytest.mark.parametrize("cut_off", ["rekey", "promote"])
async def test_a_power_cut_in_the_middle_of_taking_a_new_key_costs_neither_key_nor_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_off: str
) -> None:
    async with pc(tmp_path) as at:
        at.state()
        after = keys.make(tmp_path, "next", in_file=True)
        taken = rotation.Rotation(tmp_path, at.link.agent.stating)

        def cut(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as power:
            power.setattr(*((Journal, "rekey") if cut_off == "rekey" else (keys, "promote")), cut)
            with pytest.raises(KeyboardInterrupt):
                taken.welcomed()  # with the new key: the server knows no other now
        at.journal.close()
        device, kept = rotation.opened(tmp_path)
        again = rotation.Rotation(tmp_path, stating(device, kept))
        assert again.signer.public == after.public and kept.count() == 1
        again.welcomed()
        assert keys.load(tmp_path).public == after.public
        kept.close()
        rotation.opened(tmp_path)[1].close()
