"""`python -m demo`: starts a server, plays the chapters, leaves nothing behind.

Exit status: 0 when everything was as it should be, 1 when something was not, 130 after Ctrl-C.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from types import FrameType

import httpx

from api import children
from api.embedded import EmbeddedPostgresError
from demo import afterwards, complaints, day, orders, photographs, readers, review
from demo.callers import NotAsItShould
from demo.server import Server
from demo.story import Story

CHAPTERS = [
    day.play,
    review.play,
    afterwards.play,
    photographs.play,
    orders.play,
    complaints.play,
    readers.play,
]


def main() -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)
    if "MAKELEVEL" in os.environ:
        children.follow_parent()
    signal.signal(signal.SIGTERM, _end)
    began = time.monotonic()
    server = Server()
    try:
        with server:
            print(f"เซิร์ฟเวอร์ชั่วคราวพร้อมที่ {server.url}")
            print(f"A server for this demo alone answers at {server.url}")
            story = Story(server.url, server.turn_calendar, server.away)
            try:
                for chapter in CHAPTERS:
                    chapter(story)
            except (NotAsItShould, httpx.HTTPError) as wrong:
                print(f"\n✗ ไม่เป็นไปตามที่ควร / not as it should be:\n  {wrong}", file=sys.stderr)
                print(server.last_words(), file=sys.stderr)
                return 1
    except KeyboardInterrupt:
        print("\nหยุดแล้ว / stopped", file=sys.stderr)
        return 130
    except (EmbeddedPostgresError, NotAsItShould) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    print(f"\n✓ ครบทั้งวัน {story.steps} ขั้นตอน ใน {time.monotonic() - began:.0f} วินาที")
    print(f"  The whole day is as it should be: {story.steps} steps, {story.checks} checks.")
    return 0


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
