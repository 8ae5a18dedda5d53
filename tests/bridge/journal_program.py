"""States things in the journal of a folder, and is killed in the middle: FOLDER STEP COUNT.

Without arguments each line of its input is such a run, in a child of its own; what the run says is
in FOLDER.out, and how it ended a line of the output.

STEP is the number of the SQL statement, from 1, before which it kills itself with SIGKILL; 0 for
never. Every statement that is on the disk, as far as it was told, is a line of its output.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from reader_bridge.device import keys
from tests.bridge.papers import again, statement, ticket


def main(folder: Path, step: int, count: int) -> None:
    journal, device = again(folder), keys.load(folder)
    done = 0

    def one_more(_: str) -> None:
        nonlocal done
        done += 1
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)

    journal._store._db.set_trace_callback(one_more)
    for _ in range(count):
        mine = ticket()
        journal.set_tickets((mine,))
        sequence, stated = journal.state(statement(device, ticket=mine.id, intent=None), mine)
        print(sequence, stated.signed.sha256.hex(), flush=True)
        if sequence % 2:
            journal.settle(sequence, stated.signed.sha256)
            print("settled", sequence, flush=True)
    journal._store._db.set_trace_callback(None)
    print("steps", done, flush=True)


def each(line: str) -> int:
    """The exit code of a run, as `subprocess` tells it. A fork costs a tenth of a new Python."""
    folder, step, count = line.split()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with Path(f"{folder}.out").open("w") as said:
        os.dup2(said.fileno(), 1)
        main(Path(folder), int(step), int(count))
    os._exit(0)


if len(sys.argv) > 1:
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
else:
    for run in sys.stdin.read().splitlines():
        print(each(run), flush=True)
