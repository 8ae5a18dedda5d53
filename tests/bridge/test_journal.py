"""What was stated is on the disk, in one chain, whatever happens to the PC."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reader_bridge import messages
from reader_bridge.chain.journal import FILE, Journal, TicketGone
from reader_bridge.chain.store import Damaged, NotWritten, OfAnother
from reader_bridge.device import keys
from reader_bridge.messages import GENESIS, Kind, Statement
from tests.bridge.papers import PIN, again, journal, statement, ticket

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def program(folder: Path, step: int, count: int) -> subprocess.CompletedProcess[str]:
    arguments = ["-m", "tests.bridge.journal_program", str(folder), str(step), str(count)]
    return subprocess.run(
        [sys.executable, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )


def inside(folder: Path, *statements: str) -> None:
    """Somebody's hand in the file."""
    with sqlite3.connect(folder / FILE) as db:
        for one in statements:
            db.execute(one)
    db.close()


def test_killed_before_any_step_it_has_all_that_it_said_to_have_and_no_half_of_the_next(
    tmp_path: Path,
) -> None:
    journal(tmp_path / "first")[1].close()
    ((ended, whole),) = runs(tmp_path, {"whole": 0})
    steps = int(whole.split("steps ")[1])
    assert steps > 15 and ended == 0
    died = runs(tmp_path, {f"killed{step}": step for step in range(1, steps + 1)})
    for step, (ended, out) in enumerate(died, 1):
        assert ended == -signal.SIGKILL
        found = again(tmp_path / f"killed{step}")
        said = [line.split() for line in out.splitlines()]
        stated = [one for one in said if one[0].isdigit()]
        last = int(stated[-1][0]) if stated else 0
        sequence, _ = found.end()
        assert sequence in (last, last + 1)
        waiting = {str(w.sequence): w.sha256.hex() for w in found.waiting()}
        settled = max((int(one[1]) for one in said if one[0] == "settled"), default=0)
        for number, digest in stated:
            if int(number) > settled and number in waiting:
                assert waiting[number] == digest
            elif int(number) > settled:
                assert int(number) % 2  # its receipt was being written down
        used = len(found.tickets(datetime.now(UTC)))
        assert used + sequence in (sequence, sequence + 1)
        found.state(statement(keys.load(tmp_path / f"killed{step}")))  # and it goes on
        found.close()


def runs(tmp_path: Path, steps: dict[str, int]) -> list[tuple[int, str]]:
    """How each run of the program ended, and what it said; in copies of `first` of these names."""
    for name in steps:
        shutil.copytree(tmp_path / "first", tmp_path / name)
        (tmp_path / name).chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bridge.journal_program"],
        input="".join(f"{tmp_path / name} {step} 2\n" for name, step in steps.items()),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    ended = [int(line) for line in done.stdout.splitlines()]
    said = [Path(f"{tmp_path / name}.out").read_text() for name in steps]
    return list(zip(ended, said, strict=True))


def test_two_processes_at_once_make_one_chain(tmp_path: Path) -> None:
    _, mine = journal(tmp_path)
    with ThreadPoolExecutor(2) as at_once:
        done = list(at_once.map(lambda _: program(tmp_path, 0, 6), range(2)))
    assert [one.returncode for one in done] == [0, 0], done[0].stderr + done[1].stderr
    assert mine.end()[0] == 12
    numbers = [
        int(line.split()[0])
        for one in done
        for line in one.stdout.splitlines()[:-1]
        if line[0].isdigit()
    ]
    assert sorted(numbers) == list(range(1, 13))
    again(tmp_path).close()  # looks at every link


def test_each_statement_names_its_number_and_the_hash_of_the_one_before(tmp_path: Path) -> None:
    device, found = journal(tmp_path)
    previous = GENESIS
    for number in (1, 2, 3):
        _, stated = found.state(statement(device))
        said = messages.opened(
            keys.load(tmp_path).private.public_key(), Kind.statement, stated.signed, Statement
        )
        assert (said.sequence, said.previous) == (number, previous)
        previous = stated.signed.sha256


@pytest.mark.parametrize(
    "hand",
    [
        "delete from outbox where sequence = 2",
        "delete from outbox where sequence = 3",
        "delete from outbox where sequence = 1",
        "update outbox set sequence = 9 where sequence = 3",
        "update outbox set hash = zeroblob(32) where sequence = 2",
        "update outbox set content = (select content from outbox where sequence = 1) "
        "where sequence = 2",
        "update state set value = '2' where name = 'sequence'",
        "update state set value = zeroblob(32) where name = 'head'",
        "insert into state values ('settled', 'x')",
        "delete from state where name = 'owner'",
        "drop table outbox",
    ],
)
def test_a_journal_that_was_cut_or_changed_is_never_gone_on_with(tmp_path: Path, hand: str) -> None:
    device, found = journal(tmp_path)
    for _ in range(3):
        found.state(statement(device))
    found.close()
    inside(tmp_path, hand)
    with pytest.raises(Damaged):
        again(tmp_path)


def test_two_statements_that_changed_places_are_seen(tmp_path: Path) -> None:
    device, found = journal(tmp_path)
    for _ in range(2):
        found.state(statement(device))
    found.close()
    inside(
        tmp_path,
        "update outbox set sequence = 99 where sequence = 1",
        "update outbox set sequence = 1 where sequence = 2",
        "update outbox set sequence = 2 where sequence = 99",
    )
    with pytest.raises(Damaged):
        again(tmp_path)


@pytest.mark.parametrize("left", [0, 1, 100, 5000])
def test_a_torn_file_is_damage_and_not_a_new_beginning(tmp_path: Path, left: int) -> None:
    device, found = journal(tmp_path)
    for _ in range(20):
        found.state(statement(device))
    found.close()
    with (tmp_path / FILE).open("r+b") as file:
        file.truncate(left)
    with pytest.raises(Damaged):
        again(tmp_path)


def test_a_journal_that_is_gone_is_not_begun_anew_under_the_old_name(tmp_path: Path) -> None:
    journal(tmp_path)[1].close()
    (tmp_path / FILE).unlink()
    with pytest.raises(Damaged):
        again(tmp_path)
    assert not (tmp_path / FILE).exists()


def test_another_key_reads_nothing_and_states_nothing(tmp_path: Path) -> None:
    journal(tmp_path)[1].close()
    with pytest.raises(OfAnother):
        Journal(tmp_path, keys.make(tmp_path, in_file=True))


def test_a_full_disk_makes_no_statement_and_the_next_one_is_written_again(tmp_path: Path) -> None:
    device, found = journal(tmp_path)
    found.state(statement(device))
    db = found._store._db
    pages = db.execute("pragma page_count").fetchone()[0]
    db.execute(f"pragma max_page_count = {pages}")

    def fill() -> None:
        for _ in range(500):
            found.state(statement(device))

    with pytest.raises(NotWritten):
        fill()
    full, _ = found.end()
    assert not db.in_transaction
    db.execute("pragma max_page_count = 100000")
    found.state(statement(device))
    found.close()
    after = again(tmp_path)
    assert after.end()[0] == full + 1
    after.close()


def test_a_commit_that_fails_leaves_no_transaction_that_swallows_what_comes_later(
    tmp_path: Path,
) -> None:
    device, found = journal(tmp_path)
    real, failed = found._store._db, []

    class Full:
        """The disk is full just when it is to be committed."""

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        def execute(self, text: str, *values: object) -> object:
            if text == "commit" and not failed:
                failed.append(True)
                raise sqlite3.OperationalError("database or disk is full")
            return real.execute(text, *values)

    found._store._db = Full()  # type: ignore[assignment]
    with pytest.raises(NotWritten):
        found.state(statement(device))
    found.state(statement(device))
    other = again(tmp_path)
    assert other.end()[0] == other.count() == 1
    other.close()
    found.close()


def test_a_locked_disk_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device, found = journal(tmp_path)
    found._store._db.execute("pragma busy_timeout = 50")
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("begin exclusive")
    with pytest.raises(NotWritten):
        found.state(statement(device))
    other.execute("rollback")
    other.close()
    found.state(statement(device))


def test_a_receipt_for_another_statement_settles_nothing(tmp_path: Path) -> None:
    device, found = journal(tmp_path)
    _, stated = found.state(statement(device))
    assert not found.settle(1, bytes(32))
    assert not found.settle(2, stated.signed.sha256)  # one that was never made
    assert found.count() == 1
    assert found.settle(1, stated.signed.sha256)
    assert found.settle(1, stated.signed.sha256)  # twice, for the first receipt was late
    assert found.count() == 0


def test_where_the_server_ends_must_be_a_place_of_ours(tmp_path: Path) -> None:
    device, found = journal(tmp_path)
    heads = [GENESIS] + [found.state(statement(device))[1].signed.sha256 for _ in range(4)]
    assert found.settle_until(0, GENESIS)
    assert found.settle_until(2, heads[2])
    assert [one.sequence for one in found.waiting()] == [3, 4]
    assert found.settle_until(2, heads[2])
    assert not found.settle_until(1, heads[1])  # a server that was put back
    assert not found.settle_until(2, heads[3])
    assert not found.settle_until(3, heads[4])
    assert not found.settle_until(5, heads[4])  # a PC that was
    assert found.settle_until(4, heads[4])
    assert found.count() == 0


def test_a_ticket_serves_once_even_when_the_server_lists_it_again(tmp_path: Path) -> None:
    device, found = journal(tmp_path)
    mine = ticket()
    found.set_tickets((mine,))
    number, stated = found.state(statement(device), mine)
    found.settle(number, stated.signed.sha256)
    found.set_tickets((mine,))  # said before the server had the statement
    assert found.tickets(datetime.now(UTC)) == []
    with pytest.raises(TicketGone):
        found.state(statement(device), mine)
    assert found.end()[0] == 1


def test_a_ticket_that_the_server_took_back_or_that_is_over_is_not_shown(tmp_path: Path) -> None:
    _, found = journal(tmp_path)
    now = datetime.now(UTC)
    stays, over = ticket(), ticket(expires_at=now - timedelta(seconds=1))
    found.set_tickets((ticket(), stays, over))
    found.set_tickets((stays, over))
    assert found.tickets(now) == [stays]


def test_a_new_key_takes_over_chain_tickets_and_what_waits(tmp_path: Path) -> None:
    device, found = journal(tmp_path)
    mine = ticket()
    found.set_tickets((mine,))
    _, before = found.state(statement(device))
    after = keys.make(tmp_path, "next", in_file=True)
    found.rekey(after)
    (waiting,) = found.waiting()
    assert waiting.sha256 == before.signed.sha256
    messages.opened(after.private.public_key(), Kind.statement, waiting.stated.signed, Statement)
    assert found.pin() == PIN
    assert found.tickets(datetime.now(UTC)) == [mine]
    found.close()
    with pytest.raises(OfAnother):
        Journal(tmp_path, device)
    Journal(tmp_path, after).close()


def test_a_process_with_the_old_key_states_nothing_after_another_has_changed_it(
    tmp_path: Path,
) -> None:
    device, found = journal(tmp_path)
    other = again(tmp_path)
    found.rekey(keys.make(tmp_path, "next", in_file=True))
    with pytest.raises(OfAnother):
        other.state(statement(device))
    assert found.end()[0] == 0


def test_a_statement_is_on_the_disk_itself_when_it_is_said_to_be(tmp_path: Path) -> None:
    """No test can pull the plug: what SQLite promises under these settings, it has been asked for.

    Both are needed: the file of a transaction's undoing on the disk too, and the folder's entry of
    that file, which only `extra` waits for.
    """
    _, found = journal(tmp_path)
    for kept in (found, again(tmp_path)):
        settings = kept._store._db.execute
        assert settings("pragma synchronous").fetchone()[0] == 3  # extra
        assert settings("pragma journal_mode").fetchone()[0] == "delete"
        kept.close()


def test_nothing_of_a_statement_stays_in_the_file_when_the_server_has_it(tmp_path: Path) -> None:
    device, found = journal(tmp_path)
    stated = [found.state(statement(device)) for _ in range(5)]
    blobs = [row[0] for row in found._store.rows("select content from outbox")]
    held = (tmp_path / FILE).read_bytes()
    assert len(blobs) == 5 and all(blob[:200] in held for blob in blobs)
    number, last = stated[-1]
    assert found.settle(number, last.signed.sha256)
    held = (tmp_path / FILE).read_bytes()
    assert not [blob for blob in blobs if blob[:200] in held or blob[-100:] in held]


def test_what_waits_stands_nowhere_in_the_file_as_it_is(tmp_path: Path) -> None:
    device, found = journal(tmp_path)
    _, stated = found.state(statement(device))
    mine = ticket(officer="Nobody Anywhere")
    found.set_tickets((mine,))
    held = (tmp_path / FILE).read_bytes()
    for secret in (
        stated.signed.body[:40],
        b"Nobody Anywhere",
        PIN.identity,
        PIN.key.public,
        mine.nonce,
    ):
        assert secret not in held
