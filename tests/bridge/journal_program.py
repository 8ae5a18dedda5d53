"""States things in the journal of a folder, and is killed in the middle: FOLDER STEP COUNT.

STEP is the number of the SQL statement, from 1, before which it kills itself with SIGKILL; 0 for
never. Every statement that is on the disk, as far as it was told, is a line of its output.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from reader_bridge import keys
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


main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
