"""What PC/SC's own answers become, on a PC/SC out of memory: codes of all systems, many readers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from reader_bridge.fields import Fault
from reader_bridge.pcsc import winscard as pcsc
from reader_bridge.pcsc.ports import EMPTY, PRESENT, UNKNOWN, CardFault, Identity, ReaderState

A, B = "Sample Reader 00 00", "Sample Reader 01 00"
REMOVED, RESET, NO_SERVICE = 0x80100069, 0x80100068, 0x8010001D


class Scard(SimpleNamespace):
    """The functions of pyscard's lowest layer that are used, with answers to be set."""

    SCARD_SCOPE_USER = SCARD_LEAVE_CARD = 0
    SCARD_SHARE_SHARED, SCARD_SHARE_DIRECT = 2, 3
    SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T1 = 1, 2

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []
        self.codes: dict[str, list[int]] = {}
        self.answer: list[int] = [0x90, 0x00]
        self.states: dict[str, int] = {A: 1 << 16 | PRESENT}
        self.attributes: dict[int, bytes] = {}
        self.contexts = 0

    def code(self, name: str, *arguments: Any) -> int:
        self.calls.append((name, *arguments))
        codes = self.codes.get(name)
        return (codes.pop(0) if len(codes) > 1 else codes[0]) if codes else 0

    def called(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]

    def SCardEstablishContext(self, scope: int) -> tuple[int, int]:  # noqa: N802
        self.contexts += 1
        return self.code("establish"), self.contexts

    def SCardReleaseContext(self, context: int) -> int:  # noqa: N802
        return self.code("release", context)

    def SCardConnect(self, context: int, reader: str, share: int, protocols: int) -> Any:  # noqa: N802
        return self.code("connect", context, share), 7, 1

    def SCardBeginTransaction(self, card: int) -> int:  # noqa: N802
        return self.code("begin", card)

    def SCardEndTransaction(self, card: int, how: int) -> int:  # noqa: N802
        return self.code("end", card, how)

    def SCardDisconnect(self, card: int, how: int) -> int:  # noqa: N802
        return self.code("disconnect", card, how)

    def SCardTransmit(self, card: int, protocol: int, apdu: list[int]) -> Any:  # noqa: N802
        return self.code("transmit", bytes(apdu)), self.answer

    def SCardGetAttrib(self, card: int, attribute: int) -> Any:  # noqa: N802
        value = self.attributes.get(attribute)
        return (0, list(value)) if value is not None else (0x80100004, [])

    def SCardListReaders(self, context: int, groups: list[str]) -> Any:  # noqa: N802
        return self.code("list"), list(self.states)

    def SCardCancel(self, context: int) -> int:  # noqa: N802
        return self.code("cancel", context)

    def SCardGetStatusChange(self, context: int, wait: int, asked: list[Any]) -> Any:  # noqa: N802
        code = self.code("status", wait, [one[0] for one in asked])
        if len(asked) > pcsc.MOST:
            return 0x80100011, asked
        return code, [(one[0], self.states.get(one[0], UNKNOWN), []) for one in asked]


@pytest.fixture
def scard(monkeypatch: pytest.MonkeyPatch) -> Scard:
    made = Scard()
    monkeypatch.setattr(pcsc, "_scard", lambda: made)
    return made


def fault_of(port: pcsc.Pcsc) -> Fault:
    with pytest.raises(CardFault) as raised, port.connect(A) as transaction:
        transaction.transmit(b"\x00\xa4\x04\x00\x00")
    return raised.value.fault


def signed(code: int) -> int:
    return code - (1 << 32) if code >> 31 else code


@pytest.mark.parametrize(
    ("code", "fault"), pcsc.FAULTS.items(), ids=[hex(code) for code in pcsc.FAULTS]
)
@pytest.mark.parametrize("call", ["connect", "begin", "transmit"])
def test_every_code_that_pc_sc_answers_is_a_fault_of_ours_and_the_card_is_left(
    scard: Scard, monkeypatch: pytest.MonkeyPatch, call: str, code: int, fault: Fault
) -> None:
    monkeypatch.setattr(pcsc, "BUSY_TRIES", 1)
    scard.codes[call] = [signed(code)]
    assert fault_of(pcsc.Pcsc()) is fault
    left = 0 if call == "connect" else 1
    assert scard.called("disconnect") == [(7, 0)] * left
    assert scard.called("end") == [(7, 0)] * (call == "transmit")


@pytest.mark.parametrize("code", [0x80100005, 87, 0x80109999])
def test_a_code_that_nobody_knows_is_a_fault_with_the_code_for_the_log(
    scard: Scard, code: int
) -> None:
    scard.codes["transmit"] = [code]
    expected = pytest.raises(CardFault, match=f"SCardTransmit {code:#010x}")
    with expected as raised, pcsc.Pcsc().connect(A) as transaction:
        transaction.transmit(b"")
    assert raised.value.fault is Fault.failed


@pytest.mark.parametrize("answer", [[], [0x90]])
@pytest.mark.parametrize("there", [True, False])
def test_a_success_without_an_answer_is_no_success(
    scard: Scard, answer: list[int], there: bool
) -> None:
    scard.answer = answer
    scard.states[A] = PRESENT if there else EMPTY
    assert fault_of(pcsc.Pcsc()) is (Fault.card_silent if there else Fault.card_removed)


def test_an_exclusive_program_is_waited_for_a_moment_and_not_for_ever(
    scard: Scard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcsc, "BUSY_STEP", 0.001)
    port = pcsc.Pcsc()
    scard.codes["connect"] = [pcsc.SHARING, pcsc.SHARING, 0]
    with port.connect(A):
        pass
    scard.codes["connect"] = [pcsc.SHARING]
    assert fault_of(port) is Fault.reader_busy


def test_a_reset_by_another_program_before_our_transaction_is_waited_out_and_no_fault(
    scard: Scard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcsc, "BUSY_STEP", 0.001)
    port = pcsc.Pcsc()
    scard.codes["begin"] = [RESET, RESET, 0]
    with port.connect(A) as transaction:
        assert transaction.transmit(b"") == (b"", 0x90, 0)
    assert len(scard.called("connect")) == len(scard.called("disconnect")) == 3, "each let go"
    assert len(scard.called("end")) == 1
    scard.codes["begin"] = [RESET]
    assert fault_of(port) is Fault.reader_busy


def test_a_context_of_a_service_that_has_restarted_is_thrown_away_and_not_a_fault(
    scard: Scard,
) -> None:
    port = pcsc.Pcsc()
    with port.connect(A):
        pass
    scard.codes["connect"] = [NO_SERVICE, 0]
    with port.connect(A):
        pass
    assert [call[0] for call in scard.called("connect")] == [1, 1, 2]
    assert scard.called("release") == [(1,)]


def test_a_service_that_is_gone_is_not_asked_for_ever(scard: Scard) -> None:
    port = pcsc.Pcsc()
    with port.connect(A):
        pass
    scard.codes["connect"] = [NO_SERVICE]
    assert fault_of(port) is Fault.service_gone
    assert len(scard.called("connect")) == 3


def test_a_context_is_used_again_after_a_good_reading_and_not_after_a_bad_one(
    scard: Scard,
) -> None:
    port = pcsc.Pcsc()
    for _ in range(3):
        with port.connect(A):
            pass
    assert scard.contexts == 1
    scard.codes["transmit"] = [REMOVED]
    assert fault_of(port) is Fault.card_removed
    scard.codes["transmit"] = [0]
    with port.connect(A):
        pass
    assert scard.contexts == 2


def test_no_readers_is_an_empty_list_and_not_an_error(scard: Scard) -> None:
    scard.codes["list"] = [pcsc.NO_READERS]
    with pcsc.Pcsc().open() as states:
        assert states.readers() == []


@pytest.mark.parametrize("count", [1, 9, 15, 16, 17, 33])
@pytest.mark.parametrize("most", [10, 16])
def test_any_number_of_readers_is_watched_with_no_call_beyond_what_pc_sc_takes(
    scard: Scard, monkeypatch: pytest.MonkeyPatch, count: int, most: int
) -> None:
    monkeypatch.setattr(pcsc, "MOST", most)
    names = [f"Sample Reader {number:02d}" for number in range(count)]
    scard.states = dict.fromkeys(names, 1 << 16 | PRESENT)
    scard.states[pcsc.PLUG_AND_PLAY] = 0
    with pcsc.Pcsc().open() as states:
        got = states.changes(dict.fromkeys(names, ReaderState()), 1.0)
    assert got == dict.fromkeys(names, ReaderState(1 << 16 | PRESENT))
    asked = scard.called("status")[1:]
    assert sum(wait for wait, _ in asked) <= (1000 if count < most else 100)
    assert any(pcsc.PLUG_AND_PLAY in names for _, names in asked) == (count < most)


def test_without_plug_and_play_the_pseudo_reader_is_never_asked_for(scard: Scard) -> None:
    with pcsc.Pcsc().open() as states:
        assert not states.plug_and_play
        states.changes({A: ReaderState()}, 0.1)
        assert scard.called("status")[1:] == [(100, [A])]
        assert states.changes({}, 0.001) == {}


@pytest.mark.parametrize("code", [pcsc.UNKNOWN_READER, pcsc.NO_READERS])
def test_a_system_that_does_not_know_the_pseudo_reader_is_watched_all_the_same(
    scard: Scard, code: int
) -> None:
    scard.codes["status"] = [signed(code), 0]
    with pcsc.Pcsc().open() as states:
        assert not states.plug_and_play
        assert states.changes({A: ReaderState()}, 0.1)[A].present


def test_the_last_reader_that_leaves_during_the_wait_is_no_loss_of_the_service(
    scard: Scard,
) -> None:
    with pcsc.Pcsc().open() as states:
        scard.codes["status"] = [signed(pcsc.NO_READERS)]
        known = {A: ReaderState(PRESENT)}
        assert states.changes(known, 0.1) == known


def test_a_reader_that_left_during_the_wait_is_left_to_the_next_look(scard: Scard) -> None:
    with pcsc.Pcsc().open() as states:
        scard.codes["status"] = [pcsc.UNKNOWN_READER]
        known = {A: ReaderState(PRESENT)}
        assert states.changes(known, 0.1) == known


def test_a_wait_that_is_over_is_asked_what_it_saw(scard: Scard) -> None:
    scard.states[A] = 5 << 16 | EMPTY
    with pcsc.Pcsc().open() as states:
        scard.codes["status"] = [signed(pcsc.TIMEOUT)]
        got = states.changes({A: ReaderState(4 << 16 | PRESENT)}, 0.1)
    assert got[A].count == 5 and not got[A].present


def test_nothing_is_cancelled_after_the_end(scard: Scard) -> None:
    with pcsc.Pcsc().open() as states:
        states.cancel()
    states.cancel()
    assert len(scard.called("cancel")) == 1


def test_a_reader_says_who_it_is_without_control_characters_and_in_bounds(scard: Scard) -> None:
    scard.attributes = {
        pcsc.VENDOR: b"Sample Maker\x00",
        pcsc.MODEL: b"One\n\x1b[31m\x00rest",
        pcsc.SERIAL: b"S" * 500,
    }
    who = pcsc.Pcsc().identity(A)
    assert who and (who.serial, who.model) == ("S" * 100, "Sample Maker One[31m")
    assert scard.called("connect")[0][1] == Scard.SCARD_SHARE_DIRECT
    scard.attributes = {pcsc.VENDOR: b"V" * 200, pcsc.MODEL: b"M" * 200}
    long = pcsc.Pcsc().identity(A)
    assert long and len(long.model or "") == 100
    assert scard.called("release") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("call", "code"), [("establish", NO_SERVICE), ("connect", pcsc.SHARING), ("connect", REMOVED)]
)
def test_a_reader_that_others_hold_has_not_said_who_it_is_and_one_that_cannot_say_has(
    scard: Scard, call: str, code: int
) -> None:
    scard.codes[call] = [signed(code)]
    said = pcsc.Pcsc().identity(A)
    assert said == (Identity() if code == REMOVED else None)
    assert len(scard.called("release")) == (call == "connect")


def test_a_reader_whose_card_others_share_is_asked_beside_them(scard: Scard) -> None:
    scard.attributes = {pcsc.SERIAL: b"SAMPLE-0001"}
    scard.codes["connect"] = [signed(pcsc.SHARING), 0]
    assert pcsc.Pcsc().identity(A) == Identity("SAMPLE-0001", None)
    assert [how for _, how in scard.called("connect")] == [3, 2], "directly, then shared"
    assert scard.called("disconnect") == [(7, 0)], "and the card is left as it is"


def test_without_pyscard_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "smartcard", None)
    pcsc._scard.cache_clear()
    with pytest.raises(pcsc.NoPyscard, match=r"pip install 'superapp\[bridge\]'"):
        pcsc.Pcsc()
