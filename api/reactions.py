"""When this happened, do that: the whole map on one screen.

`DEADLINES` says which verb answers a clock that has run out. Reactions run in the worker, in the
transaction that marks the clock as fired.
"""

from __future__ import annotations

from api.deadlines import Reaction
from api.inspection.visits import service as visits

DEADLINES: dict[str, Reaction] = {
    "visit.review": visits.escalate_review,
}
