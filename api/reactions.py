"""When this happened, do that: the whole map on one screen.

`DEADLINES` says which verb answers a clock that has run out. Reactions run in the worker, in the
transaction that marks the clock as fired.
"""

from __future__ import annotations

from api.deadlines import Reaction
from api.inspection import service as inspection

DEADLINES: dict[str, Reaction] = {
    "visit.review": inspection.escalate_review,
}
